//! What was submitted for a job: a file in its folder.

use std::{fs, io, path::PathBuf};

use serde::{Deserialize, Serialize};

use crate::{
    disk::{
        DiskError, Timestamp,
        atomic::{self, Flush},
    },
    results::JobDir,
};

/// The submission of a job.
///
/// It is written before `sbatch` is called, without the number, and again afterwards. If this process is killed in
/// between, the comment finds the array in the queue.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ticket {
    /// The comment that the array was submitted with; no other array has it.
    pub comment: String,
    /// The array's job number, as soon as Slurm has given it.
    pub job: Option<u64>,
    /// The index within the array.
    pub task: u32,
    /// When it was submitted.
    pub submitted: Timestamp,
}

impl Ticket {
    /// The ticket of a job; none if it was never submitted, or if the ticket is damaged.
    pub fn of(dir: &JobDir) -> Option<Self> {
        let path = path(dir);
        let bytes = fs::read(&path).ok()?;
        let read = serde_json::from_slice(&bytes);
        if let Err(error) = &read {
            tracing::warn!(path = %path.display(), %error, "a ticket that cannot be read counts as none");
        }
        read.ok()
    }

    /// Writes the ticket into the folder of its job.
    pub(super) fn write(&self, dir: &JobDir) -> Result<(), DiskError> {
        let path = path(dir);
        let bytes = serde_json::to_vec(self).map_err(DiskError::damaged(&path))?;
        atomic::write(&path, &bytes, Flush::Later).map_err(DiskError::write(&path))
    }

    /// Removes the ticket of a job, if it has one.
    pub(super) fn remove(dir: &JobDir) -> Result<(), DiskError> {
        let path = path(dir);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(DiskError::write(&path)(error))
            }
            _ => Ok(()),
        }
    }
}

fn path(dir: &JobDir) -> PathBuf {
    dir.path().join("slurm.json")
}
