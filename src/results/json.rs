//! The JSON files of a job folder: written whole, and read back.

use std::{error::Error, fs, io, path::Path};

use serde::{
    Serialize,
    de::{DeserializeOwned, Error as _},
};

use super::{ResultsError, in_words, seal};
use crate::{
    disk::{
        DiskError,
        atomic::{self, Flush},
    },
    plan::JobId,
};

/// How often a file is written whose half-written content another process removes: as often as workers take the lock.
const WRITES: usize = 10;

/// Replaces a file by a value's JSON, indented, with a line break at its end.
pub(super) fn write<T: Serialize>(
    path: &Path,
    value: &T,
    flush: Flush,
) -> Result<(), ResultsError> {
    Ok(write_bytes(path, &to_json(path, value)?, flush)?)
}

/// Replaces a file by what [`to_json`] has made.
///
/// A worker that takes the lock of a folder removes half-written files, which may be those of a scheduler that prepares
/// the folder at that moment. So a write whose file has vanished is made again, as long as its folder is there.
pub(super) fn write_bytes(path: &Path, bytes: &[u8], flush: Flush) -> Result<(), DiskError> {
    let is_gone = |error: &io::Error| error.kind() == io::ErrorKind::NotFound;
    for _ in 1..WRITES {
        match atomic::write(path, bytes, flush) {
            Err(error) if is_gone(&error) && atomic::folder_of(path).is_dir() => {}
            written => return written.map_err(DiskError::write(path)),
        }
    }
    atomic::write(path, bytes, flush).map_err(DiskError::write(path))
}

/// A value's JSON, indented, with a line break at its end.
pub(super) fn to_json<T: Serialize>(path: &Path, value: &T) -> Result<Vec<u8>, DiskError> {
    let mut bytes = serde_json::to_vec_pretty(value).map_err(DiskError::damaged(path))?;
    bytes.push(b'\n');
    Ok(bytes)
}

/// The value in a JSON file, or nothing if there is no such file.
pub(super) fn read<T: DeserializeOwned>(path: &Path) -> Result<Option<T>, DiskError> {
    let Some(bytes) = read_bytes(path)? else {
        return Ok(None);
    };
    let value = serde_json::from_slice(&bytes);
    value.map(Some).map_err(DiskError::damaged(path))
}

/// As [`read`], for a file with the seal of a job; `folder` is the name of the job's folder.
pub(super) fn read_sealed<T: DeserializeOwned>(
    path: &Path,
    folder: &JobId,
) -> Result<Option<T>, DiskError> {
    let Some(bytes) = read_bytes(path)? else {
        return Ok(None);
    };
    let opened = seal::opened(folder, bytes).map_err(serde_json::Error::custom);
    let value = opened.and_then(|bytes| serde_json::from_slice(&bytes));
    value.map(Some).map_err(DiskError::damaged(path))
}

fn read_bytes(path: &Path) -> Result<Option<Vec<u8>>, DiskError> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(DiskError::read(path)(source)),
    }
}

/// The value in a JSON file; a damaged or unreadable file counts as absent, with a warning.
pub(super) fn read_or_warn<T: DeserializeOwned>(path: &Path) -> Option<T> {
    present(read(path))
}

/// What was read; an error counts as nothing, with a warning.
pub(super) fn present<T, E: Error>(read: Result<Option<T>, E>) -> Option<T> {
    read.unwrap_or_else(|error| {
        tracing::warn!(error = in_words(&error), "a file counts as absent");
        None
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_that_is_not_there_is_an_error_with_the_path() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("missing/a.json");

        let error = write(&path, &1, Flush::Now).unwrap_err();

        assert_eq!(
            error.to_string(),
            format!("cannot write `{}`", path.display())
        );
    }

    #[test]
    fn a_damaged_file_counts_as_absent() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.json");
        fs::write(&path, "{\"half\": ").unwrap();

        assert!(matches!(read::<u32>(&path), Err(DiskError::Damaged { .. })));
        assert_eq!(read_or_warn::<u32>(&path), None);
    }
}
