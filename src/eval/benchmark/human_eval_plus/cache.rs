//! Outputs of canonical solutions on disk, so that they are computed once.
//!
//! A cache that cannot be read or written costs time, but is not an error.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use super::reference::References;
use crate::{
    data::Cache,
    digest::Digest,
    disk::atomic::{self, Flush},
};

/// What is known under a key.
pub(super) fn read(key: &Digest) -> Option<References> {
    let bytes = fs::read(folder().join(format!("{key}.json"))).ok()?;
    serde_json::from_slice(&bytes).ok()
}

/// Keeps references under a key.
pub(super) fn write(key: &Digest, references: &References) {
    let folder = folder();
    if let Err(error) = write_file(&folder, key, references) {
        tracing::warn!(folder = %folder.display(), %error, "cannot cache expected outputs");
    }
}

fn write_file(folder: &Path, key: &Digest, references: &References) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    let bytes = serde_json::to_vec(references)?;
    atomic::write(&folder.join(format!("{key}.json")), &bytes, Flush::Later)
}

/// A separate folder: `Cache` keeps downloads in folders that are named after their entries.
fn folder() -> PathBuf {
    Cache::from_environment().folder().join("expected_outputs")
}
