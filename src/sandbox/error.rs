//! Errors of running Python.

use std::{io, path::PathBuf, time::Duration};

use thiserror::Error;

use super::Safeguards;

/// Why there is no verdict; a program that fails is not an error.
#[derive(Debug, Error)]
pub enum PythonError {
    /// There is no such interpreter, or it does not run.
    #[error("cannot run Python as `{interpreter}`")]
    Start {
        /// What was started.
        interpreter: PathBuf,
        /// What the system says.
        #[source]
        source: io::Error,
    },
    /// The interpreter runs and cannot be used.
    #[error("`{interpreter}` is not Python 3.9 or newer: {answer}")]
    Version {
        /// What was started.
        interpreter: PathBuf,
        /// Its answer to the question for its version.
        answer: String,
    },
    /// A safeguard is missing, which the settings do not allow.
    #[error("this system is not protected from the programs: {missing}")]
    Unprotected {
        /// The safeguards, on and off.
        missing: Safeguards,
    },
    /// The server did not reply as expected.
    #[error("the Python server failed: {reason}")]
    Server {
        /// Its own report, or that there is none.
        reason: String,
    },
    /// A program got so little CPU time that its own time cannot be measured.
    #[error("the machine is too busy to judge: a program waited {waited:?} for a CPU")]
    Overloaded {
        /// The time in which it was ready to run and did not.
        waited: Duration,
    },
    /// The pipe to the server broke.
    #[error("lost the Python server")]
    Lost(#[source] io::Error),
}
