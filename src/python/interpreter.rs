//! Which Python runs the programs.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use serde::{Deserialize, Serialize};

use super::PythonError;

/// The Python that runs the programs; part of the provenance of every verdict.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Interpreter {
    /// The program itself, not a launcher that looks for it.
    pub path: PathBuf,
    /// Such as `3.11.7`.
    pub version: String,
}

/// `sys.executable` is what a launcher (pyenv, a symbolic link) leads to.
const QUESTION: &str = "import sys, json, os
import ctypes, resource, select
print(json.dumps([sys.executable, list(sys.version_info[:3])]))";

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
        let output = Command::new(&self.path)
            .args(["-s", "-B", "-c", LIBRARIES])
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
        let output = Command::new(path)
            .args(["-s", "-B", "-c", QUESTION])
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
        let Ok((executable, version)) = serde_json::from_str::<(PathBuf, [u32; 3])>(&answer) else {
            let complaint = String::from_utf8_lossy(&output.stderr);
            return Err(useless(
                complaint.lines().last().unwrap_or("it says nothing"),
            ));
        };
        let [major, minor, patch] = version;
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
