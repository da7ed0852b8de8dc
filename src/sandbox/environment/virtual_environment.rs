//! The virtual environment with the libraries that some benchmarks import.

use std::{
    fs, io,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use super::{EnvironmentError, Interpreter, Requirements};
use crate::disk::atomic::{self, Flush};

/// A virtual environment of ours, which may not exist yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Environment {
    pub(super) folder: PathBuf,
    requirements: Requirements,
}

impl Environment {
    /// The environment in a cache folder.
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

    /// Whether it has torch; nothing if it is incomplete or has other versions.
    pub fn is_ready(&self) -> Option<bool> {
        let text = fs::read_to_string(self.marker()).ok()?;
        [true, false]
            .into_iter()
            .find(|with_torch| text == self.requirements.text(*with_torch))
    }

    /// Makes it, or adds what it lacks; `pip` reports its progress on stderr.
    pub fn make(&self, base: &Interpreter, with_torch: bool) -> Result<(), EnvironmentError> {
        if !self.requirements.supports(base) {
            return Err(self.requirements.unsupported(std::slice::from_ref(base)));
        }
        let ready = self.is_ready();
        if ready == Some(true) || ready == Some(with_torch) {
            return Ok(());
        }
        if ready.is_none() {
            // It is incomplete or has other versions.
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
        atomic::rename(&list, &self.marker(), Flush::Now)
            .map_err(|source| self.cannot_write(source))
    }

    /// The list of the installed libraries; it exists once all of them are installed.
    pub(super) fn marker(&self) -> PathBuf {
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
        // stdout is for results.
        .stdout(Stdio::from(io::stderr()))
        .status()
        .map_err(|error| failed(error.to_string()))?;
    if status.success() {
        Ok(())
    } else {
        Err(failed(status.to_string()))
    }
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
    fn a_python_that_is_too_new_is_refused_before_anything_is_written() {
        let cache = tempfile::tempdir().unwrap();
        let environment = Environment::at(cache.path(), Requirements::Pinned);

        let error = environment.make(&interpreter("3.13.1"), false).unwrap_err();

        assert_eq!(
            error.to_string(),
            "the pinned versions need Python 3.9 to 3.12, found here: 3.13.1"
        );
        assert_eq!(fs::read_dir(cache.path()).unwrap().count(), 0);
    }
}
