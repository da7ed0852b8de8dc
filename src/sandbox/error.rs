//! What can go wrong when Python is to run.

use std::{io, path::PathBuf, time::Duration};

use thiserror::Error;

use super::Safeguards;

/// Why no verdict could be reached; a program that fails is none of these.
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
    /// The interpreter runs and is of no use.
    #[error("`{interpreter}` is no Python 3.9 or newer: {answer}")]
    Version {
        /// What was started.
        interpreter: PathBuf,
        /// What it said of itself.
        answer: String,
    },
    /// A safeguard is missing and nobody allowed that.
    #[error("this system does not protect itself from the programs: {missing}")]
    Unprotected {
        /// The safeguards, on and off.
        missing: Safeguards,
    },
    /// The server does not answer as it should.
    #[error("the Python server failed: {reason}")]
    Server {
        /// What it said, or that it said nothing.
        reason: String,
    },
    /// A program got so little of a processor that its time cannot be told.
    #[error("the machine is too busy to judge: a program waited {waited:?} for a processor")]
    Overloaded {
        /// How long it was ready to run, and did not.
        waited: Duration,
    },
    /// The pipe to the server broke.
    #[error("lost the Python server")]
    Lost(#[source] io::Error),
}
