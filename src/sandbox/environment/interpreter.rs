//! A Python interpreter, found by asking it.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use serde::{Deserialize, Serialize};

use crate::sandbox::PythonError;

/// A Python that runs programs; part of the provenance of every verdict.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Interpreter {
    /// The interpreter itself, not a launcher that leads to it.
    pub path: PathBuf,
    /// For example `3.11.7`.
    pub version: String,
}

/// Prints the version and the interpreter's path: `sys.executable` is the one that a launcher (pyenv, a symbolic link)
/// leads to. It also imports the modules that servers need and some Pythons lack, by their parts in C, which load quickly.
const QUESTION: &str = "import sys
import _ctypes, resource, select
print(*sys.version_info[:3], sys.executable)";

/// Prints the versions of the libraries in `sys.argv` without loading them.
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
    /// The libraries among `names` that it has, with their versions.
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

    /// Asks the program at `path`, or of that name on `PATH`, for its version and path.
    pub fn find(path: &Path) -> Result<Self, PythonError> {
        // `-I`: without environment variables, which servers do not get either. `-S`: without looking for packages,
        // which takes a third of the time.
        let output = Command::new(path)
            .args(["-I", "-S", "-B", "-c", QUESTION])
            .stdin(Stdio::null())
            .output()
            .map_err(|source| PythonError::Start {
                interpreter: path.to_path_buf(),
                source,
            })?;
        let answer = String::from_utf8_lossy(&output.stdout);
        let unusable = |answer: &str| PythonError::Version {
            interpreter: path.to_path_buf(),
            answer: answer.trim().to_owned(),
        };
        let Some((executable, [major, minor, patch])) = parse_answer(&answer) else {
            let complaint = String::from_utf8_lossy(&output.stderr);
            return Err(unusable(complaint.lines().last().unwrap_or("no answer")));
        };
        let version = format!("{major}.{minor}.{patch}");
        if (major, minor) < (3, 9) {
            return Err(unusable(&version));
        }
        Ok(Self {
            path: executable,
            version,
        })
    }
}

/// The answer to [`QUESTION`].
fn parse_answer(answer: &str) -> Option<(PathBuf, [u32; 3])> {
    let mut parts = answer.trim_end().splitn(4, ' ');
    let mut number = || parts.next()?.parse().ok();
    let version = [number()?, number()?, number()?];
    Some((parts.next()?.into(), version))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interpreter_may_be_in_a_folder_with_spaces() {
        let found = parse_answer("3 11 7 /opt/my pythons/bin/python\n");
        assert_eq!(
            found,
            Some(("/opt/my pythons/bin/python".into(), [3, 11, 7]))
        );
        assert_eq!(parse_answer("Python 2.7.18\n"), None);
        assert_eq!(parse_answer("3 11 7\n"), None);
    }
}
