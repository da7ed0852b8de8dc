//! The JSON files of a job folder: written whole, and read back.

use std::{fs, io, path::Path};

use serde::{Serialize, de::DeserializeOwned};

use super::{ResultsError, in_words};
use crate::disk::{
    DiskError,
    atomic::{self, Flush},
};

/// Replaces a file by a value's JSON, indented, with a line break at its end.
pub(super) fn write<T: Serialize>(
    path: &Path,
    value: &T,
    flush: Flush,
) -> Result<(), ResultsError> {
    Ok(write_bytes(path, &to_json(path, value)?, flush)?)
}

/// Replaces a file by what [`to_json`] has made.
pub(super) fn write_bytes(path: &Path, bytes: &[u8], flush: Flush) -> Result<(), DiskError> {
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
    match fs::read(path) {
        Ok(bytes) => serde_json::from_slice(&bytes)
            .map(Some)
            .map_err(DiskError::damaged(path)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(DiskError::read(path)(source)),
    }
}

/// The value in a JSON file; a damaged or unreadable file counts as absent, with a warning.
pub(super) fn read_or_warn<T: DeserializeOwned>(path: &Path) -> Option<T> {
    read(path).unwrap_or_else(|error| {
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
