//! What can go wrong with a folder of results.

use std::{error::Error, path::PathBuf};

use crate::disk::DiskError;

/// An error about a folder of results.
#[derive(Debug, thiserror::Error)]
pub enum ResultsError {
    /// A file of the folder could not be written, read or understood.
    #[error(transparent)]
    Disk(#[from] DiskError),
    /// A value has no JSON form that could be read back.
    #[error("cannot write `{path}`: one of its numbers is not finite")]
    NotFinite {
        /// The file that it was meant for.
        path: PathBuf,
    },
    /// Two jobs have the same name.
    #[error(
        "`{path}` belongs to a job with other inputs and the same first digits of its digest; \
         remove the folder, or change `RECODE_RESULTS`; if only its `identity.json` is damaged, remove that file"
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
