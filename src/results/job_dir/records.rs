//! The files of a job folder that hold one value each.

use std::fs;

use super::{JobDir, create_folder};
use crate::{
    disk::{DiskError, Timestamp, atomic::Flush, lock::Owner},
    plan::Job,
    results::{Attempt, Note, Outcome, Provenance, ResultsError, Status, json, seal},
};

impl JobDir {
    /// Makes the folder and writes the job, and what was hashed for its name.
    pub fn prepare(&self, job: &Job) -> Result<(), ResultsError> {
        create_folder(&self.path)?;
        if !self.is_known_to_be_of(job)? {
            if !self.job_path().exists() {
                self.remove_results()?;
            }
            json::write(&self.identity_path(), &job.identity, Flush::Now)?;
        }
        self.write_job(job)
    }

    /// Writes the job of a folder that is done, if its file is damaged or gone.
    pub fn restore_job(&self, job: &Job) -> Result<(), ResultsError> {
        if json::present(self.job()).is_none() && self.outcome_of(job)?.is_some() {
            self.write_job(job)?;
        }
        Ok(())
    }

    fn write_job(&self, job: &Job) -> Result<(), ResultsError> {
        let path = self.job_path();
        let bytes = json::to_json(&path, job)?;
        Ok(json::write_bytes(
            &path,
            &seal::sealed(&job.id, &bytes),
            Flush::Now,
        )?)
    }

    /// Whether the folder says that it is of this job; an error if it says that it is of another one.
    fn is_known_to_be_of(&self, job: &Job) -> Result<bool, ResultsError> {
        let identity: Option<serde_json::Value> = json::read_or_warn(&self.identity_path());
        match identity {
            Some(identity) if identity != job.identity => Err(ResultsError::OtherJob {
                path: self.path.clone(),
            }),
            identity => Ok(identity.is_some()),
        }
    }

    /// Removes what a worker has written into a folder that was removed while it ran: nothing says which
    /// job it is of, and the beginning of its logs is lost.
    fn remove_results(&self) -> Result<(), ResultsError> {
        for folder in [self.checkpoints(), self.model(), self.tensorboard()] {
            if folder.is_dir() {
                fs::remove_dir_all(&folder).map_err(DiskError::write(&folder))?;
            }
        }
        let files = self.logs().into_iter().chain([self.outcome_path()]);
        for file in files.filter(|file| file.is_file()) {
            fs::remove_file(&file).map_err(DiskError::write(&file))?;
        }
        Ok(())
    }

    /// The outcome of this very job; an error if the folder is of another job with the same name.
    pub fn outcome_of(&self, job: &Job) -> Result<Option<Outcome>, ResultsError> {
        let outcome = self.outcome();
        if outcome.is_some() {
            self.is_known_to_be_of(job)?;
        }
        Ok(outcome)
    }

    /// Whether the job is a training that is done, and whose model was removed since.
    pub fn lacks_model(&self) -> bool {
        let is_training = |outcome: Outcome| outcome.as_train().is_some();
        !self.model().is_dir() && self.outcome().is_some_and(is_training)
    }

    /// Removes the outcome, so that the job is done again.
    pub fn forget_outcome(&self) -> Result<(), ResultsError> {
        let path = self.outcome_path();
        Ok(fs::remove_file(&path).map_err(DiskError::write(&path))?)
    }

    /// The job with its identity, or nothing if the folder was never prepared.
    pub fn job(&self) -> Result<Option<Job>, ResultsError> {
        let Some(mut job) = json::read_sealed::<Job>(&self.job_path(), &self.id())? else {
            return Ok(None);
        };
        job.identity = json::read_or_warn(&self.identity_path()).unwrap_or_default();
        Ok(Some(job))
    }

    /// What was hashed for the job's name, if it is there.
    pub fn identity(&self) -> Result<Option<serde_json::Value>, ResultsError> {
        Ok(json::read(&self.identity_path())?)
    }

    /// The outcome, if the job is done; a damaged one counts as absent, with a warning.
    pub fn outcome(&self) -> Option<Outcome> {
        json::present(json::read_sealed(&self.outcome_path(), &self.id()))
    }

    /// Writes the outcome. The job is done once it is there.
    pub fn write_outcome(&self, outcome: &Outcome) -> Result<(), ResultsError> {
        let path = self.outcome_path();
        let bytes = json::to_json(&path, outcome)?;
        // JSON has no infinity: it would be written as `null`, and the job would never be done.
        if serde_json::from_slice::<Outcome>(&bytes).ok().as_ref() != Some(outcome) {
            return Err(ResultsError::NotFinite { path });
        }
        // The folder may have another name: a person may have moved it and left a link.
        let job = self.job().ok().flatten();
        let job = job.map_or_else(|| self.id(), |job| job.id);
        Ok(json::write_bytes(
            &path,
            &seal::sealed(&job, &bytes),
            Flush::Now,
        )?)
    }

    /// The last worker's note about itself; a damaged one counts as absent.
    pub fn note(&self) -> Option<Note> {
        json::read_or_warn(&self.state_path())
    }

    /// Replaces the worker's note about itself.
    pub fn write_note(&self, note: &Note) -> Result<(), ResultsError> {
        let path = self.state_path();
        json::write(&path, note, Flush::Later)
    }

    /// Records why a worker failed that has died, unless it has recorded a reason itself.
    pub fn record_failure(&self, attempt: u32, reason: &str) -> Result<(), ResultsError> {
        let note = self.note();
        let is_recorded = |note: &Note| note.attempt == attempt && note.status == Status::Failed;
        if note.as_ref().is_some_and(is_recorded) {
            return Ok(());
        }
        self.write_note(&Note {
            status: Status::Failed,
            attempt,
            owner: note
                .as_ref()
                .map_or_else(Owner::this_process, |note| note.owner.clone()),
            heartbeat: Timestamp::now(),
            progress: note.and_then(|note| note.progress),
            reason: Some(reason.to_owned()),
        })
    }

    /// The history of the job; a damaged one counts as absent.
    pub fn provenance(&self) -> Provenance {
        json::read_or_warn(&self.provenance_path()).unwrap_or_default()
    }

    /// Adds an attempt to the history, or replaces the one of the same number.
    pub fn write_attempt(&self, attempt: &Attempt) -> Result<(), ResultsError> {
        let mut provenance = self.provenance();
        provenance
            .attempts
            .retain(|other| other.attempt != attempt.attempt);
        provenance.attempts.push(attempt.clone());
        let path = self.provenance_path();
        json::write(&path, &provenance, Flush::Now)
    }
}
