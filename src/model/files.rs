//! The small files of a model's folder.

use std::{
    collections::BTreeMap,
    fs,
    io::ErrorKind,
    path::{Path, PathBuf},
};

use serde_json::{Map, Value};

use crate::disk::atomic::{self, Flush};

use super::error::ModelError;

/// Where the small files of a model are: in a folder, or in memory, made from a file that has their content
/// in another form.
#[derive(Debug)]
pub(super) struct SmallFiles {
    /// The folder, or the file that the others are made from.
    place: PathBuf,
    made: Option<BTreeMap<&'static str, Vec<u8>>>,
}

impl SmallFiles {
    /// Those of a folder.
    pub(super) fn of_folder(folder: &Path) -> Self {
        Self {
            place: folder.to_owned(),
            made: None,
        }
    }

    /// Those that were made from the content of `source`.
    pub(super) fn made(source: &Path, files: BTreeMap<&'static str, Vec<u8>>) -> Self {
        Self {
            place: source.to_owned(),
            made: Some(files),
        }
    }

    /// The path that errors name for a file.
    pub(super) fn path(&self, name: &str) -> PathBuf {
        match &self.made {
            None => self.place.join(name),
            Some(_) => self.place.clone(),
        }
    }

    /// Whether there is such a file.
    pub(super) fn has(&self, name: &str) -> bool {
        match &self.made {
            None => self.place.join(name).exists(),
            Some(files) => files.contains_key(name),
        }
    }

    /// The bytes of a file; none if there is no such file.
    pub(super) fn bytes(&self, name: &str) -> Result<Option<Vec<u8>>, ModelError> {
        match &self.made {
            None => read_bytes(&self.place.join(name)),
            Some(files) => Ok(files.get(name).cloned()),
        }
    }

    /// The object of a JSON file; empty if there is no such file.
    pub(super) fn object(&self, name: &str) -> Result<Map<String, Value>, ModelError> {
        let Some(bytes) = self.bytes(name)? else {
            return Ok(Map::new());
        };
        serde_json::from_slice(&bytes).map_err(|error| ModelError::Json {
            path: self.path(name),
            problem: error.to_string(),
        })
    }
}

/// The bytes of a file; none if there is no such file.
fn read_bytes(path: &Path) -> Result<Option<Vec<u8>>, ModelError> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(source) => Err(ModelError::Read {
            path: path.to_owned(),
            source,
        }),
    }
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
