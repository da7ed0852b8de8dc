//! Errors of making an environment.

use std::{io, path::PathBuf};

use thiserror::Error;

use crate::sandbox::PythonError;

/// Why there is no environment.
#[derive(Debug, Error)]
pub enum EnvironmentError {
    /// The libraries have no wheels for any Python of this machine.
    #[error("the {name} versions need Python {low} to {high}, found here: {found}")]
    Unsuited {
        /// The name of the requirements.
        name: &'static str,
        /// The oldest Python.
        low: &'static str,
        /// The newest Python.
        high: &'static str,
        /// The versions that are here.
        found: String,
    },
    /// The interpreter cannot be used.
    #[error("the interpreter cannot be used")]
    Interpreter(#[source] PythonError),
    /// A file or folder could not be written.
    #[error("cannot write `{path}`")]
    Write {
        /// The file or folder.
        path: PathBuf,
        /// The system's error.
        #[source]
        source: io::Error,
    },
    /// A step failed, and has printed why.
    #[error("{step} failed ({status})")]
    Step {
        /// The step.
        step: &'static str,
        /// How the command ended.
        status: String,
    },
}
