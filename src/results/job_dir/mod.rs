//! The folder of one job: where its files are.
//!
//! `records` reads and writes them, `attempts` counts the starts of the job, `logs` compares its logs with those
//! that it has ended with, and `state` derives its state from all of them.

mod attempts;
mod integrity;
mod logs;
mod records;
mod state;

use std::{
    fs,
    path::{Path, PathBuf},
};

pub use logs::ChangedLog;

use super::ResultsError;
use crate::{disk::DiskError, plan::JobId};

/// The folder of a job: the only interface between processes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JobDir {
    path: PathBuf,
}

impl JobDir {
    /// The folder at `path`, which need not be there.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into() }
    }

    /// The folder itself.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The job's name, which is the folder's.
    pub fn id(&self) -> JobId {
        JobId(
            self.path
                .file_name()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned(),
        )
    }

    /// The folder of another job of the same results.
    #[must_use]
    pub fn sibling(&self, id: &JobId) -> Self {
        Self::new(self.path.with_file_name(&id.0))
    }

    /// The log of a training's steps.
    pub fn metrics(&self) -> PathBuf {
        self.path.join("metrics.jsonl")
    }

    /// The log of completions.
    pub fn samples(&self) -> PathBuf {
        self.path.join("samples.jsonl")
    }

    /// The log of the evaluations during a training.
    pub fn evaluations(&self) -> PathBuf {
        self.path.join("evaluations.jsonl")
    }

    /// The log of updates that were skipped because they were not finite.
    pub fn non_finite(&self) -> PathBuf {
        self.path.join("nonfinite.jsonl")
    }

    /// The folder of checkpoints, each a folder such as `step_000100`.
    pub fn checkpoints(&self) -> PathBuf {
        self.path.join("checkpoints")
    }

    /// The folder of a training's steps as TensorBoard reads them.
    pub fn tensorboard(&self) -> PathBuf {
        self.path.join("tb")
    }

    /// The folder of the trained model.
    pub fn model(&self) -> PathBuf {
        self.path.join("model")
    }

    /// The note of the state in which `model/` was last read whole.
    pub fn model_stamp(&self) -> PathBuf {
        self.path.join("model_stamp")
    }

    /// The folder of one attempt's `stdout.log` and `stderr.log`.
    pub fn attempt(&self, attempt: u32) -> PathBuf {
        self.path.join("attempts").join(attempt.to_string())
    }

    /// The file whose presence means that the job is done.
    pub fn outcome_path(&self) -> PathBuf {
        self.path.join("outcome.json")
    }

    fn job_path(&self) -> PathBuf {
        self.path.join("job.json")
    }

    fn identity_path(&self) -> PathBuf {
        self.path.join("identity.json")
    }

    fn state_path(&self) -> PathBuf {
        self.path.join("state.json")
    }

    /// The history of the job: its attempts.
    pub fn provenance_path(&self) -> PathBuf {
        self.path.join("provenance.json")
    }

    fn lock_path(&self) -> PathBuf {
        self.path.join("lock")
    }
}

fn create_folder(path: &Path) -> Result<(), ResultsError> {
    Ok(fs::create_dir_all(path).map_err(DiskError::write(path))?)
}

/// The names in a folder; none if there is no such folder.
pub(super) fn names(folder: &Path) -> impl Iterator<Item = String> + use<> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.map(|entry| entry.file_name().to_string_lossy().into_owned())
}
