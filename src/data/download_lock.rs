//! The record of an entry's first download: later ones must give the same bytes.

use std::{collections::BTreeMap, fs, io, path::Path};

use serde::{Deserialize, Serialize};

use super::manifest::Remote;
use crate::disk::atomic::{self, Flush};

/// The record of a download.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Lock {
    pub(super) repository: String,
    /// The revision in the manifest.
    pub(super) revision: String,
    /// The commit that the revision was, if the host says so.
    pub(super) commit: Option<String>,
    pub(super) files: BTreeMap<String, LockedFile>,
}

/// One file of a download.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct LockedFile {
    pub(super) bytes: u64,
    pub(super) sha256: String,
}

impl Lock {
    /// The record in a file, if there is one, and it is of the same repository and revision.
    pub(super) fn read(path: &Path, remote: &Remote) -> io::Result<Option<Self>> {
        let text = match fs::read_to_string(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            text => text?,
        };
        let lock: Self = toml::from_str(&text).map_err(io::Error::other)?;
        let is_same = lock.repository == remote.repository && lock.revision == remote.revision;
        Ok(is_same.then_some(lock))
    }

    /// Keeps the record in a file.
    pub(super) fn write(&self, path: &Path) -> io::Result<()> {
        let text = toml::to_string(self).map_err(io::Error::other)?;
        atomic::write(path, text.as_bytes(), Flush::Now)
    }

    /// Whether all files are in a folder, by their sizes.
    pub(super) fn is_complete_in(&self, folder: &Path) -> bool {
        self.files.iter().all(|(name, file)| {
            fs::metadata(folder.join(name)).is_ok_and(|found| found.len() == file.bytes)
        })
    }
}
