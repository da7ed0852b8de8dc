//! What a plan has hashed, so that a job can compare before it reads.

use std::{io, path::PathBuf};

use serde::{Deserialize, Serialize};

use crate::digest::Digest;

/// A file or a folder whose bytes a plan has hashed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Content {
    /// Where it is.
    pub path: PathBuf,
    /// Of a folder, what shows without reading it that it is unchanged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stamp: Option<Digest>,
}

impl Content {
    /// Whether the bytes still have this digest. A folder of weights is read again only if one of its
    /// files was written since.
    pub fn has_digest(&self, digest: &Digest) -> io::Result<bool> {
        if !self.path.is_dir() {
            return Ok(Digest::of_file(&self.path)? == *digest);
        }
        let stamp = Digest::stamp_of_folder(&self.path)?;
        Ok(self.stamp.as_ref() == Some(&stamp) || Digest::of_folder(&self.path)? == *digest)
    }
}
