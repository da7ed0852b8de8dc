//! The calls that tests make of canonical solutions, on disk, so that they are recorded once.
//!
//! A cache that cannot be read or written costs time, but is not an error.

use std::{fs, path::PathBuf};

use crate::{
    data::Cache,
    digest::Digest,
    disk::atomic::{self, Flush},
};

/// What is known under a key.
pub(super) fn read(key: &Digest) -> Option<String> {
    fs::read_to_string(folder().join(format!("{key}.json"))).ok()
}

/// Keeps what the checker has recorded under a key.
pub(super) fn write(key: &Digest, recorded: &str) {
    let folder = folder();
    let written = fs::create_dir_all(&folder).and_then(|()| {
        let path = folder.join(format!("{key}.json"));
        atomic::write(&path, recorded.as_bytes(), Flush::Later)
    });
    if let Err(error) = written {
        tracing::warn!(folder = %folder.display(), %error, "cannot cache the calls of tests");
    }
}

/// A separate folder: `Cache` keeps downloads in folders that are named after their entries.
fn folder() -> PathBuf {
    Cache::from_environment().folder().join("recorded_calls")
}
