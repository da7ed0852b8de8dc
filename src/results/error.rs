//! What can go wrong with a folder of results.

use std::{error::Error, io, path::PathBuf};

/// An error about a folder of results.
#[derive(Debug, thiserror::Error)]
pub enum ResultsError {
    /// A file or a folder could not be written.
    #[error("cannot write `{path}`")]
    Write {
        /// What should have been written.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// A file or a folder could not be read.
    #[error("cannot read `{path}`")]
    Read {
        /// What should have been read.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// A file holds something else than it should.
    #[error("`{path}` is damaged")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Where it goes wrong.
        source: serde_json::Error,
    },
    /// A value has no JSON form that could be read back.
    #[error("cannot write `{path}`: a figure of it is not a finite number")]
    NotFinite {
        /// The file that it was meant for.
        path: PathBuf,
    },
    /// A line of a log has no number of the step.
    #[error("a line for `{path}` has no `step`, expected a whole number")]
    NoStep {
        /// The log.
        path: PathBuf,
    },
    /// Two jobs have the same name.
    #[error(
        "`{path}` belongs to a job with other inputs whose digest begins alike; remove the folder, \
         or change `RECODE_RESULTS`"
    )]
    OtherJob {
        /// The folder.
        path: PathBuf,
    },
}

/// An error and its causes, joined by colons: for notes and logs.
pub fn in_words(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}
