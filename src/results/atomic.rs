//! Files that are there whole or not at all.

use std::{
    fs::{self, File, Permissions},
    io::{self, Write as _},
    os::unix::fs::PermissionsExt as _,
    path::Path,
};

use serde::{Serialize, de::DeserializeOwned};

use super::{ResultsError, in_words};

/// Replaces a file, and returns once the disk has it: what must survive a power cut.
pub fn write_durably(path: &Path, bytes: &[u8]) -> Result<(), ResultsError> {
    replace(path, bytes, true).map_err(|source| ResultsError::Write {
        path: path.to_owned(),
        source,
    })
}

/// Replaces a file at once; after a power cut it may be empty.
pub(super) fn write_quickly(path: &Path, bytes: &[u8]) -> Result<(), ResultsError> {
    replace(path, bytes, false).map_err(|source| ResultsError::Write {
        path: path.to_owned(),
        source,
    })
}

/// A value's JSON, indented, with a line break at its end.
pub(super) fn to_json<T: Serialize>(path: &Path, value: &T) -> Result<Vec<u8>, ResultsError> {
    let mut bytes = serde_json::to_vec_pretty(value).map_err(|source| ResultsError::Damaged {
        path: path.to_owned(),
        source,
    })?;
    bytes.push(b'\n');
    Ok(bytes)
}

/// The value in a JSON file, or nothing if there is no such file.
pub(super) fn read_json<T: DeserializeOwned>(path: &Path) -> Result<Option<T>, ResultsError> {
    match fs::read(path) {
        Ok(bytes) => {
            serde_json::from_slice(&bytes)
                .map(Some)
                .map_err(|source| ResultsError::Damaged {
                    path: path.to_owned(),
                    source,
                })
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(ResultsError::Read {
            path: path.to_owned(),
            source,
        }),
    }
}

/// The value in a JSON file; a damaged or unreadable file is said aloud and counts as absent.
pub(super) fn read_json_or_warn<T: DeserializeOwned>(path: &Path) -> Option<T> {
    read_json(path).unwrap_or_else(|error| {
        tracing::warn!(error = in_words(&error), "a file counts as absent");
        None
    })
}

fn replace(path: &Path, bytes: &[u8], is_durable: bool) -> io::Result<()> {
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    let folder = folder.unwrap_or(Path::new("."));
    let mut file = tempfile::Builder::new()
        .prefix(".")
        .suffix(".tmp")
        // The usual rights under the user's mask: others may read results.
        .permissions(Permissions::from_mode(0o666))
        .tempfile_in(folder)?;
    file.write_all(bytes)?;
    if is_durable {
        file.as_file().sync_all()?;
    }
    file.persist(path).map_err(|error| error.error)?;
    if is_durable {
        // The name is data of the folder, not of the file.
        File::open(folder)?.sync_all()?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_replaced_and_nothing_else_stays() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.json");

        write_durably(&path, b"1").unwrap();
        write_durably(&path, b"2").unwrap();

        assert_eq!(fs::read(&path).unwrap(), b"2");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_folder_that_is_not_there_is_an_error_with_the_path() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("missing/a.json");

        let error = write_durably(&path, b"1").unwrap_err();

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

        assert!(matches!(
            read_json::<u32>(&path),
            Err(ResultsError::Damaged { .. })
        ));
        assert_eq!(read_json_or_warn::<u32>(&path), None);
    }
}
