//! Which Python runs the programs.

use std::{
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

impl Interpreter {
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
