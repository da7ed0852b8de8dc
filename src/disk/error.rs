//! What can go wrong with a file.

use std::{
    io,
    path::{Path, PathBuf},
};

/// An error about a file.
#[derive(Debug, thiserror::Error)]
pub enum DiskError {
    /// A file or a folder could not be written.
    #[error("cannot write `{path}`")]
    Write {
        /// What should have been written.
        path: PathBuf,
        /// Why it was not.
        source: io::Error,
    },
    /// A file or a folder could not be read.
    #[error("cannot read `{path}`")]
    Read {
        /// What should have been read.
        path: PathBuf,
        /// Why it was not.
        source: io::Error,
    },
    /// A file does not hold what it should.
    #[error("`{path}` is damaged")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Where it goes wrong.
        source: serde_json::Error,
    },
    /// A line of a log does not hold what it should, and later ones do.
    #[error(
        "line {line} of `{path}` is damaged: remove it if you can do without, or the whole file"
    )]
    DamagedLine {
        /// The file.
        path: PathBuf,
        /// Counted from 1.
        line: usize,
        /// Where it goes wrong.
        source: serde_json::Error,
    },
}

impl DiskError {
    /// For `map_err` of whatever writes to `path`.
    pub fn write(path: &Path) -> impl FnOnce(io::Error) -> Self + Copy {
        move |source| Self::Write {
            path: path.to_owned(),
            source,
        }
    }

    /// For `map_err` of whatever reads from `path`.
    pub fn read(path: &Path) -> impl FnOnce(io::Error) -> Self + Copy {
        move |source| Self::Read {
            path: path.to_owned(),
            source,
        }
    }

    /// For `map_err` of whatever parses or makes the JSON of `path`.
    pub fn damaged(path: &Path) -> impl FnOnce(serde_json::Error) -> Self + Copy {
        move |source| Self::Damaged {
            path: path.to_owned(),
            source,
        }
    }
}
