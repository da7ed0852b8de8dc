//! The virtual environment with the libraries that some benchmarks import.
//!
//! Its versions are pinned, with hashes, in `datasets/python`: a library's next version may give a
//! solution another verdict.

use std::{
    env, fs, io,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use thiserror::Error;

mod interpreter;

use crate::sandbox::PythonError;

pub use interpreter::Interpreter;

/// The versions of the libraries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Requirements {
    /// Those that the published verdicts suit.
    Pinned,
    /// The newest with recorded verdicts, for a Python that is too new for the others.
    Newest,
}

impl Requirements {
    /// In the order in which an environment is chosen to judge.
    pub const ALL: &[Self] = &[Self::Pinned, Self::Newest];

    /// The name of its file and of its folder.
    pub fn name(self) -> &'static str {
        match self {
            Self::Pinned => "pinned",
            Self::Newest => "newest",
        }
    }

    /// The minor versions of Python 3 that have wheels for all of them.
    fn minors(self) -> &'static [u32] {
        match self {
            // The recorded verdicts come from 3.11.
            Self::Pinned => &[11, 12, 10, 9],
            Self::Newest => &[11, 12, 13, 14],
        }
    }

    fn serves(self, interpreter: &Interpreter) -> bool {
        let minor = interpreter.version.split('.').nth(1);
        let minor = minor.and_then(|minor| minor.parse().ok());
        minor.is_some_and(|minor| self.minors().contains(&minor))
    }

    /// What `pip` is told.
    fn text(self, with_torch: bool) -> &'static str {
        match (self, with_torch) {
            (Self::Pinned, false) => include_str!("../../../datasets/python/pinned.txt"),
            (Self::Pinned, true) => include_str!("../../../datasets/python/pinned-torch.txt"),
            (Self::Newest, false) => include_str!("../../../datasets/python/newest.txt"),
            (Self::Newest, true) => include_str!("../../../datasets/python/newest-torch.txt"),
        }
    }

    /// A Python of this machine that the versions suit, in the order of preference.
    pub fn base(self) -> Result<Interpreter, EnvironmentError> {
        let mut names: Vec<PathBuf> = self
            .minors()
            .iter()
            .map(|minor| format!("python3.{minor}").into())
            .collect();
        names.push("python3".into());
        let found: Vec<Interpreter> = names
            .iter()
            .filter_map(|name| Interpreter::find(name).ok())
            .collect();
        match found.iter().find(|found| self.serves(found)) {
            Some(interpreter) => Ok(interpreter.clone()),
            None => Err(self.unsuited(&found)),
        }
    }

    fn unsuited(self, found: &[Interpreter]) -> EnvironmentError {
        let (low, high) = match self {
            Self::Pinned => ("3.9", "3.12"),
            Self::Newest => ("3.11", "3.14"),
        };
        let versions: Vec<&str> = found.iter().map(|one| one.version.as_str()).collect();
        EnvironmentError::Unsuited {
            name: self.name(),
            low,
            high,
            found: if versions.is_empty() {
                "none".to_owned()
            } else {
                versions.join(", ")
            },
        }
    }
}

/// A virtual environment of ours, made or not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Environment {
    folder: PathBuf,
    requirements: Requirements,
}

/// Why there is no environment.
#[derive(Debug, Error)]
pub enum EnvironmentError {
    /// The libraries have no wheels for the Pythons of this machine.
    #[error("the {name} versions need Python {low} to {high}, found here: {found}")]
    Unsuited {
        /// Of the requirements.
        name: &'static str,
        /// The oldest Python.
        low: &'static str,
        /// The newest Python.
        high: &'static str,
        /// The versions that are here.
        found: String,
    },
    /// The interpreter cannot be used.
    #[error("the interpreter is of no use")]
    Interpreter(#[source] PythonError),
    /// A file or folder could not be written.
    #[error("cannot write `{path}`")]
    Write {
        /// Where.
        path: PathBuf,
        /// What the system says.
        #[source]
        source: io::Error,
    },
    /// A step failed; what it said stands above.
    #[error("{step} failed ({status})")]
    Step {
        /// What was being done.
        step: &'static str,
        /// How the command ended.
        status: String,
    },
}

impl Environment {
    /// The environment of a cache folder.
    pub fn at(cache: &Path, requirements: Requirements) -> Self {
        Self {
            folder: cache.join("python").join(requirements.name()),
            requirements,
        }
    }

    /// Its interpreter.
    pub fn interpreter(&self) -> PathBuf {
        self.folder.join("bin").join("python3")
    }

    /// Whether it is complete, and whether with torch; nothing if it is not, or of other versions.
    pub fn is_ready(&self) -> Option<bool> {
        let text = fs::read_to_string(self.marker()).ok()?;
        [true, false]
            .into_iter()
            .find(|with_torch| text == self.requirements.text(*with_torch))
    }

    /// Makes it, or adds what it lacks; `pip` tells of its progress on stderr.
    pub fn make(&self, base: &Interpreter, with_torch: bool) -> Result<(), EnvironmentError> {
        if !self.requirements.serves(base) {
            return Err(self.requirements.unsuited(std::slice::from_ref(base)));
        }
        let ready = self.is_ready();
        if ready == Some(true) || ready == Some(with_torch) {
            return Ok(());
        }
        if ready.is_none() {
            // Half an environment, or one of other versions.
            match fs::remove_dir_all(&self.folder) {
                Err(source) if source.kind() != io::ErrorKind::NotFound => {
                    return Err(self.cannot_write(source));
                }
                _ => {}
            }
            fs::create_dir_all(&self.folder).map_err(|source| self.cannot_write(source))?;
            let mut command = Command::new(&base.path);
            command.args(["-s", "-m", "venv"]).arg(&self.folder);
            step(
                "making a virtual environment (python -m venv)",
                &mut command,
            )?;
        }
        let list = self.folder.join("requirements.partial");
        let text = self.requirements.text(with_torch);
        fs::write(&list, text).map_err(|source| self.cannot_write(source))?;
        let mut command = Command::new(self.interpreter());
        command
            .args(["-s", "-m", "pip", "install", "--disable-pip-version-check"])
            .args(["--no-input", "--require-hashes", "--only-binary", ":all:"])
            .arg("--requirement")
            .arg(&list);
        step("installing the libraries (pip install)", &mut command)?;
        fs::rename(&list, self.marker()).map_err(|source| self.cannot_write(source))
    }

    /// The requirements that are installed; it is there once all of them are.
    fn marker(&self) -> PathBuf {
        self.folder.join("requirements.txt")
    }

    fn cannot_write(&self, source: io::Error) -> EnvironmentError {
        EnvironmentError::Write {
            path: self.folder.clone(),
            source,
        }
    }
}

fn step(step: &'static str, command: &mut Command) -> Result<(), EnvironmentError> {
    let failed = |status: String| EnvironmentError::Step { step, status };
    let status = command
        .stdin(Stdio::null())
        // Results go to stdout, and this is none.
        .stdout(Stdio::from(io::stderr()))
        .status()
        .map_err(|error| failed(error.to_string()))?;
    if status.success() {
        Ok(())
    } else {
        Err(failed(status.to_string()))
    }
}

/// The interpreter to judge with: the one named, else `RECODE_PYTHON`, else for programs that import
/// libraries an environment of this cache folder, else `python3`.
pub fn choose_interpreter(named: Option<&Path>, needs_libraries: bool, cache: &Path) -> PathBuf {
    let ready = || {
        Requirements::ALL
            .iter()
            .map(|requirements| Environment::at(cache, *requirements))
            .find(|environment| environment.is_ready().is_some())
            .map(|environment| environment.interpreter())
    };
    let by_environment = env::var_os("RECODE_PYTHON").filter(|value| !value.is_empty());
    named
        .map(Path::to_path_buf)
        .or_else(|| by_environment.map(PathBuf::from))
        .or_else(|| needs_libraries.then(ready).flatten())
        .unwrap_or_else(|| PathBuf::from("python3"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn interpreter(version: &str) -> Interpreter {
        Interpreter {
            path: "python3".into(),
            version: version.to_owned(),
        }
    }

    #[test]
    fn every_requirement_is_pinned_to_a_version_and_a_hash() {
        for requirements in Requirements::ALL {
            for with_torch in [false, true] {
                let text = requirements.text(with_torch).replace("\\\n", " ");
                let lines: Vec<&str> = text
                    .lines()
                    .filter(|line| !line.is_empty() && !line.starts_with('#'))
                    .collect();
                for name in ["numpy", "pandas", "pytest", "scipy", "sympy", "mpmath"] {
                    let start = format!("{name}==");
                    assert!(lines.iter().any(|line| line.starts_with(&start)), "{name}");
                }
                assert_eq!(with_torch, text.contains("\ntorch=="));
                for line in lines {
                    assert!(
                        line.contains("==") && line.contains("--hash=sha256:"),
                        "{line}"
                    );
                }
            }
        }
    }

    #[test]
    fn a_python_that_is_too_new_is_told_before_anything_is_written() {
        let cache = tempfile::tempdir().unwrap();
        let environment = Environment::at(cache.path(), Requirements::Pinned);

        let error = environment.make(&interpreter("3.13.1"), false).unwrap_err();

        assert_eq!(
            error.to_string(),
            "the pinned versions need Python 3.9 to 3.12, found here: 3.13.1"
        );
        assert_eq!(fs::read_dir(cache.path()).unwrap().count(), 0);
    }

    #[test]
    fn an_environment_judges_only_once_it_is_complete_and_where_libraries_are_needed() {
        let cache = tempfile::tempdir().unwrap();
        let environment = Environment::at(cache.path(), Requirements::Newest);
        let choose = |needs| {
            choose_interpreter(
                Some("named".as_ref()).filter(|_| needs == 2),
                needs > 0,
                cache.path(),
            )
        };
        let other = choose(0);

        assert_eq!((environment.is_ready(), choose(1)), (None, other.clone()));
        fs::create_dir_all(&environment.folder).unwrap();
        fs::write(environment.marker(), "numpy==1.0").unwrap();
        assert_eq!(environment.is_ready(), None);
        fs::write(environment.marker(), Requirements::Newest.text(false)).unwrap();
        assert_eq!(environment.is_ready(), Some(false));
        assert_eq!(choose(2), PathBuf::from("named"));
        assert_eq!(choose(0), other);
        if env::var_os("RECODE_PYTHON").is_none() {
            assert_eq!(choose(1), environment.interpreter());
        }
    }
}
