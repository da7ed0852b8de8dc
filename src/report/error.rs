//! What can go wrong with a table.

use std::{io, path::PathBuf};

use crate::disk::DiskError;

/// An error about a table.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// The file of printed figures cannot be read.
    #[error("cannot read the reference `{path}`")]
    ReadReference {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The file of printed figures is not what it should be.
    #[error("`{path}` is no file of reference tables")]
    ParseReference {
        /// The file.
        path: PathBuf,
        /// Where it goes wrong.
        source: toml::de::Error,
    },
    /// The file has no such table.
    #[error("unknown reference `{name}`, expected `recode.` and a table of `{path}`")]
    UnknownReference {
        /// What the spec says.
        name: String,
        /// The file.
        path: PathBuf,
    },
    /// The folder of the table cannot be made.
    #[error("cannot make the folder `{path}`")]
    MakeFolder {
        /// The folder.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// A job folder cannot be read, or a table cannot be written.
    #[error("cannot use the folder of results")]
    Disk(#[from] DiskError),
}

impl ReportError {
    /// Whether the table is fine and only its folder cannot be written.
    pub fn is_about_writing(&self) -> bool {
        matches!(
            self,
            Self::MakeFolder { .. } | Self::Disk(DiskError::Write { .. })
        )
    }
}
