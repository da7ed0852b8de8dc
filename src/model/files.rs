//! The small files of a model's folder.

use std::{fs, io::ErrorKind, path::Path};

use serde_json::{Map, Value};

use crate::disk::atomic::{self, Flush};

use super::error::ModelError;

/// The bytes of a file; none if there is no such file.
pub(super) fn read_bytes(path: &Path) -> Result<Option<Vec<u8>>, ModelError> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(source) => Err(ModelError::Read {
            path: path.to_owned(),
            source,
        }),
    }
}

/// The object of a JSON file; empty if there is no such file.
pub(super) fn read_object(path: &Path) -> Result<Map<String, Value>, ModelError> {
    let Some(bytes) = read_bytes(path)? else {
        return Ok(Map::new());
    };
    serde_json::from_slice(&bytes).map_err(|error| ModelError::Json {
        path: path.to_owned(),
        problem: error.to_string(),
    })
}

/// Writes a JSON file; readers see the old file or the new one, never a part.
pub(super) fn write_json(path: &Path, value: &Value) -> Result<(), ModelError> {
    write_bytes(path, format!("{value:#}\n").as_bytes())
}

/// Writes a file; readers see the old file or the new one, never a part.
pub(super) fn write_bytes(path: &Path, bytes: &[u8]) -> Result<(), ModelError> {
    atomic::write(path, bytes, Flush::Now).map_err(|source| ModelError::Write {
        path: path.to_owned(),
        source,
    })
}
