//! Which Python runs the programs.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use serde::{Deserialize, Serialize};

use crate::sandbox::PythonError;

/// The Python that runs the programs; part of the provenance of every verdict.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Interpreter {
    /// The program itself, not a launcher that looks for it.
    pub path: PathBuf,
    /// Such as `3.11.7`.
    pub version: String,
}

/// `sys.executable` is what a launcher (pyenv, a symbolic link) leads to. What servers need and some
/// Pythons lack is asked for by the parts in C, which are quick to load.
const QUESTION: &str = "import sys
import _ctypes, resource, select
print(*sys.version_info[:3], sys.executable)";

/// Names and versions without loading a module; `sys.argv` has the names.
const LIBRARIES: &str = "import sys, json
from importlib.metadata import version, PackageNotFoundError
found = {}
for name in sys.argv[1:]:
    try:
        found[name] = version(name)
    except PackageNotFoundError:
        pass
print(json.dumps(found))";

impl Interpreter {
    /// Which of these libraries are installed for it, with their versions.
    pub fn libraries(&self, names: &[&str]) -> BTreeMap<String, String> {
        if names.is_empty() {
            return BTreeMap::new();
        }
        let output = Command::new(&self.path)
            .args(["-I", "-B", "-c", LIBRARIES])
            .args(names)
            .stdin(Stdio::null())
            .output();
        output
            .ok()
            .and_then(|output| serde_json::from_slice(&output.stdout).ok())
            .unwrap_or_default()
    }

    /// Asks the program at `path`, or of that name on `PATH`, who it is.
    pub fn find(path: &Path) -> Result<Self, PythonError> {
        // `-I` and `-S`: without looking at variables of the environment, which servers do not get either, and
        // at packages, which takes a third of the time.
        let output = Command::new(path)
            .args(["-I", "-S", "-B", "-c", QUESTION])
            .stdin(Stdio::null())
            .output()
            .map_err(|source| PythonError::Start {
                interpreter: path.to_path_buf(),
                source,
            })?;
        let answer = String::from_utf8_lossy(&output.stdout);
        let useless = |answer: &str| PythonError::Version {
            interpreter: path.to_path_buf(),
            answer: answer.trim().to_owned(),
        };
        let Some((executable, [major, minor, patch])) = understood(&answer) else {
            let complaint = String::from_utf8_lossy(&output.stderr);
            return Err(useless(
                complaint.lines().last().unwrap_or("it says nothing"),
            ));
        };
        let version = format!("{major}.{minor}.{patch}");
        if (major, minor) < (3, 9) {
            return Err(useless(&version));
        }
        Ok(Self {
            path: executable,
            version,
        })
    }
}

/// The answer to [`QUESTION`].
fn understood(answer: &str) -> Option<(PathBuf, [u32; 3])> {
    let mut parts = answer.trim_end().splitn(4, ' ');
    let mut number = || parts.next()?.parse().ok();
    let version = [number()?, number()?, number()?];
    Some((parts.next()?.into(), version))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interpreter_may_lie_in_a_folder_with_spaces() {
        let found = understood("3 11 7 /opt/my pythons/bin/python\n");
        assert_eq!(
            found,
            Some(("/opt/my pythons/bin/python".into(), [3, 11, 7]))
        );
        assert_eq!(understood("Python 2.7.18\n"), None);
        assert_eq!(understood("3 11 7\n"), None);
    }
}
