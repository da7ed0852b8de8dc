//! The lock of a job folder, and the state that follows from its files.

use std::{fs, io, path::Path};

use super::{JobDir, names};
use crate::{
    disk::lock::{self, Claim, Holder},
    plan::JobKind,
    results::{JobState, Note, ResultsError, Status},
};

impl JobDir {
    /// Takes the job's lock, unless another process holds it.
    pub fn claim(&self) -> Result<Claim, ResultsError> {
        let claim = lock::claim(&self.lock_path())?;
        if matches!(claim, Claim::Ours(_)) {
            remove_leftovers(&self.path);
        }
        Ok(claim)
    }

    /// Whether this is still the folder that was claimed, with the job in it: a person may have removed it.
    pub fn is_still_claimed_by(&self, lock: &lock::Lock) -> bool {
        let is_job_there = || self.job_path().symlink_metadata();
        let is_removed = |error: io::Error| error.kind() == io::ErrorKind::NotFound;
        lock.is_still_at(&self.lock_path()) && !is_job_there().is_err_and(is_removed)
    }

    /// Which process runs the job.
    pub fn holder(&self) -> Result<Holder, ResultsError> {
        Ok(lock::holder(&self.lock_path())?)
    }

    /// The state that follows from the files.
    pub fn state(&self) -> Result<JobState, ResultsError> {
        if self.outcome().is_some() {
            return Ok(JobState::Done);
        }
        let holder = self.holder()?;
        let note = self.note();
        if let Holder::Somebody(owner) = holder {
            let progress = note.and_then(|note| note.progress);
            return Ok(JobState::Running { owner, progress });
        }
        match note {
            Some(Note {
                status: Status::Failed,
                reason,
                ..
            }) => Ok(JobState::Failed {
                reason: reason.unwrap_or_else(|| "no reason given".into()),
            }),
            note => Ok(self.resumable_step(note).map_or(JobState::New, |step| {
                // A worker that was asked to stop before its first step has done nothing.
                if step == 0 {
                    JobState::New
                } else {
                    JobState::Resumable { step }
                }
            })),
        }
    }

    /// The steps that the next attempt does not repeat.
    fn resumable_step(&self, note: Option<Note>) -> Option<u64> {
        if !self.job_path().is_file() {
            // What is there is of a worker whose folder was removed while it ran.
            return None;
        }
        let steps = names(&self.checkpoints()).filter_map(|name| {
            name.strip_prefix("step_")
                .and_then(|step| step.parse().ok())
        });
        // An evaluation has no checkpoints: it continues after the samples that are there.
        let samples = || {
            let progress = note.and_then(|note| note.progress)?;
            self.samples().is_file().then_some(progress.step)
        };
        let is_training = self.id().kind() == Some(JobKind::Train);
        steps
            .max()
            .or_else(|| if is_training { None } else { samples() })
    }
}

/// Removes half-written files that a killed process has left. No process writes here while this one
/// holds the lock.
fn remove_leftovers(folder: &Path) {
    for name in names(folder).filter(|name| name.starts_with('.')) {
        let path = folder.join(name);
        if path.extension().is_some_and(|extension| extension == "tmp") {
            // A file that stays only takes room.
            let _ = fs::remove_file(path);
        }
    }
}
