//! What a plan has hashed, so that a job can compare before it reads.

use std::{io, path::PathBuf};

use serde::{Deserialize, Serialize};

use crate::digest::Digest;

/// A file or a folder whose bytes a plan has hashed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Content {
    /// Where it is.
    pub path: PathBuf,
    /// Of a model, what shows without reading it that it is unchanged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stamp: Option<Digest>,
}

impl Content {
    /// Whether the bytes still have this digest. Weights are read again only if one of their files was
    /// written since.
    pub fn has_digest(&self, digest: &Digest) -> io::Result<bool> {
        if let Some(stamp) = &self.stamp
            && Digest::stamp_of_folder(&self.path)? == *stamp
        {
            return Ok(true);
        }
        let found = if self.path.is_dir() {
            Digest::of_folder(&self.path)?
        } else {
            Digest::of_file(&self.path)?
        };
        Ok(found == *digest)
    }
}
