//! The folder of one job: its files, and what they say.

use std::{
    fs,
    path::{Path, PathBuf},
};

use super::{
    Attempt, Claim, Holder, JobState, Note, Outcome, Owner, Provenance, ResultsError, Status,
    Timestamp, json,
};
use crate::{
    disk::{DiskError, atomic::Flush, lock},
    plan::{Job, JobId},
};

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

    /// The log of a training's evaluations on the way.
    pub fn evaluations(&self) -> PathBuf {
        self.path.join("evaluations.jsonl")
    }

    /// The log of updates that were left out because they were not finite.
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

    fn provenance_path(&self) -> PathBuf {
        self.path.join("provenance.json")
    }

    fn lock_path(&self) -> PathBuf {
        self.path.join("lock")
    }

    /// Makes the folder and writes what the worker is told, and what was hashed for its name.
    pub fn prepare(&self, job: &Job, identity: &serde_json::Value) -> Result<(), ResultsError> {
        create_folder(&self.path)?;
        let path = self.identity_path();
        let before: Option<serde_json::Value> = json::read_or_warn(&path);
        if before.as_ref().is_some_and(|before| before != identity) {
            return Err(ResultsError::OtherJob {
                path: self.path.clone(),
            });
        }
        if before.is_none() {
            json::write(&path, identity, Flush::Now)?;
        }
        let path = self.job_path();
        json::write(&path, job, Flush::Now)
    }

    /// What the worker is told, or nothing if the folder was never prepared.
    pub fn job(&self) -> Result<Option<Job>, ResultsError> {
        Ok(json::read(&self.job_path())?)
    }

    /// What was hashed for the job's name, if it is there.
    pub fn identity(&self) -> Result<Option<serde_json::Value>, ResultsError> {
        Ok(json::read(&self.identity_path())?)
    }

    /// The outcome, if the job is done; a damaged one is said aloud and counts as absent.
    pub fn outcome(&self) -> Option<Outcome> {
        json::read_or_warn(&self.outcome_path())
    }

    /// Writes the outcome, which ends the job.
    pub fn write_outcome(&self, outcome: &Outcome) -> Result<(), ResultsError> {
        let path = self.outcome_path();
        let bytes = json::to_json(&path, outcome)?;
        // JSON has no infinity: it would be written as `null`, and the job never be done.
        if serde_json::from_slice::<Outcome>(&bytes).ok().as_ref() != Some(outcome) {
            return Err(ResultsError::NotFinite { path });
        }
        Ok(json::write_bytes(&path, &bytes, Flush::Now)?)
    }

    /// What the last worker said about itself; a damaged note counts as absent.
    pub fn note(&self) -> Option<Note> {
        json::read_or_warn(&self.state_path())
    }

    /// Replaces what the worker says about itself.
    pub fn write_note(&self, note: &Note) -> Result<(), ResultsError> {
        let path = self.state_path();
        json::write(&path, note, Flush::Later)
    }

    /// Writes down for a worker that died why it failed, unless it has done so itself.
    pub fn record_failure(&self, attempt: u32, reason: &str) -> Result<(), ResultsError> {
        let note = self.note();
        let said = |note: &Note| note.attempt == attempt && note.status == Status::Failed;
        if note.as_ref().is_some_and(said) {
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

    /// Makes the folder of another attempt, and says which one it is.
    pub fn new_attempt(&self) -> Result<u32, ResultsError> {
        let attempt = self.last_attempt() + 1;
        create_folder(&self.attempt(attempt))?;
        Ok(attempt)
    }

    /// The number of the last attempt; 0 if there was none.
    pub fn last_attempt(&self) -> u32 {
        names(&self.path.join("attempts"))
            .filter_map(|name| name.parse().ok())
            .max()
            .unwrap_or(0)
    }

    /// Takes the job's lock, unless somebody holds it.
    pub fn claim(&self) -> Result<Claim, ResultsError> {
        let claim = lock::claim(&self.lock_path())?;
        if matches!(claim, Claim::Ours(_)) {
            remove_leftovers(&self.path);
        }
        Ok(claim)
    }

    /// Who runs the job.
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

    /// The steps that the next attempt need not do again.
    fn resumable_step(&self, note: Option<Note>) -> Option<u64> {
        let steps = names(&self.checkpoints()).filter_map(|name| {
            name.strip_prefix("step_")
                .and_then(|step| step.parse().ok())
        });
        // An evaluation has no checkpoints: it goes on from the samples that are there.
        let samples = || {
            let progress = note.and_then(|note| note.progress)?;
            self.samples().is_file().then_some(progress.step)
        };
        let is_training = self.id().0.starts_with("train-");
        steps
            .max()
            .or_else(|| if is_training { None } else { samples() })
    }

    /// The last lines that an attempt wrote to its standard error.
    pub fn last_words(&self, attempt: u32) -> Option<String> {
        last_words(&fs::read(self.attempt(attempt).join("stderr.log")).ok()?)
    }
}

/// The end of a log that says why: from its last error on, or its last three lines.
fn last_words(log: &[u8]) -> Option<String> {
    const MOST: usize = 6;
    let text = String::from_utf8_lossy(log.get(log.len().saturating_sub(8192)..)?).into_owned();
    let lines: Vec<&str> = text
        .lines()
        .map(str::trim_end)
        .filter(|line| !line.is_empty())
        .collect();
    let says_why = |line: &&str| line.starts_with("error:") || line.contains("panicked at");
    let start = lines
        .iter()
        .rposition(says_why)
        .unwrap_or(lines.len().saturating_sub(3));
    let words = lines
        .get(start..)?
        .iter()
        .take(MOST)
        .copied()
        .collect::<Vec<_>>()
        .join("\n");
    (!words.is_empty()).then_some(words)
}

/// Removes what a killed process left half-written; nobody writes here while we hold the lock.
fn remove_leftovers(folder: &Path) {
    for name in names(folder).filter(|name| name.starts_with('.')) {
        let path = folder.join(name);
        if path.extension().is_some_and(|extension| extension == "tmp") {
            // One that stays only takes room.
            let _ = fs::remove_file(path);
        }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        plan::example::job,
        results::{Progress, Store, example},
    };

    fn folder(id: &str) -> (tempfile::TempDir, JobDir) {
        let root = tempfile::tempdir().unwrap();
        let dir = Store::new(root.path()).job_dir(&JobId(id.into()));
        dir.prepare(&job(id, &[]), &serde_json::json!({"recipe": 1}))
            .unwrap();
        (root, dir)
    }

    fn note(status: Status, step: u64) -> Note {
        Note {
            status,
            attempt: 1,
            owner: Owner::this_process(),
            heartbeat: Timestamp::from_unix_seconds(0),
            progress: Some(Progress {
                step,
                of: 10,
                message: String::new(),
            }),
            reason: None,
        }
    }

    fn state(dir: &JobDir) -> JobState {
        dir.state().unwrap()
    }

    #[test]
    fn a_prepared_job_is_new_and_reads_as_it_was_written() {
        let (_root, dir) = folder("eval-00000001");

        assert_eq!(dir.job().unwrap().unwrap(), job("eval-00000001", &[]));
        assert_eq!(dir.id().0, "eval-00000001");
        assert_eq!(state(&dir), JobState::New);
    }

    #[test]
    fn an_outcome_outweighs_whatever_else_is_said() {
        let (_root, dir) = folder("eval-00000001");
        dir.record_failure(1, "killed").unwrap();
        let _lock = dir.claim().unwrap();

        dir.write_outcome(&example::outcome()).unwrap();

        assert_eq!(state(&dir), JobState::Done);
        assert_eq!(dir.outcome(), Some(example::outcome()));
    }

    #[test]
    fn half_an_outcome_is_none() {
        let (_root, dir) = folder("eval-00000001");
        dir.write_outcome(&example::outcome()).unwrap();
        let bytes = fs::read(dir.outcome_path()).unwrap();
        for length in [0, 1, bytes.len() / 2, bytes.len() - 3] {
            fs::write(dir.outcome_path(), &bytes[..length]).unwrap();

            assert_eq!(state(&dir), JobState::New, "{length} bytes");
        }
    }

    #[test]
    fn an_outcome_that_could_not_be_read_back_is_not_written() {
        let (_root, dir) = folder("eval-00000001");
        let Outcome::Eval(mut outcome) = example::outcome() else {
            panic!("it is an evaluation")
        };
        outcome.metrics.insert("pass@1".into(), f64::NAN);

        let error = dir.write_outcome(&Outcome::Eval(outcome)).unwrap_err();

        assert!(matches!(error, ResultsError::NotFinite { .. }));
        assert!(!dir.outcome_path().exists());
    }

    #[test]
    fn a_job_runs_while_its_lock_is_held_and_no_longer() {
        let (_root, dir) = folder("train-00000001");
        let lock = dir.claim().unwrap();
        dir.write_note(&note(Status::Running, 3)).unwrap();
        let JobState::Running {
            owner: Some(owner),
            progress: Some(progress),
        } = state(&dir)
        else {
            panic!("the lock is held")
        };
        assert_eq!((owner.pid, progress.step), (std::process::id(), 3));

        drop(lock);

        // The note still says `running`, as after `kill -9`.
        assert_eq!(state(&dir), JobState::New);
    }

    #[test]
    fn a_training_goes_on_from_its_last_checkpoint() {
        let (_root, dir) = folder("train-00000001");
        for name in ["step_000100", "step_000200", "step_000300.tmp", "notes"] {
            fs::create_dir_all(dir.checkpoints().join(name)).unwrap();
        }
        dir.write_note(&note(Status::Running, 250)).unwrap();

        assert_eq!(state(&dir), JobState::Resumable { step: 200 });
    }

    #[test]
    fn an_evaluation_goes_on_from_its_samples() {
        let (_root, dir) = folder("eval-00000001");
        dir.write_note(&note(Status::Stopped, 7)).unwrap();
        assert_eq!(state(&dir), JobState::New);

        fs::write(dir.samples(), "{\"step\":0}\n").unwrap();

        assert_eq!(state(&dir), JobState::Resumable { step: 7 });
    }

    #[test]
    fn a_failure_keeps_the_reason_that_the_worker_gave() {
        let (_root, dir) = folder("eval-00000001");
        dir.record_failure(1, "no space left").unwrap();
        dir.record_failure(1, "ended with exit code 1").unwrap();

        assert_eq!(
            state(&dir),
            JobState::Failed {
                reason: "no space left".into()
            }
        );
    }

    #[test]
    fn a_damaged_note_counts_as_absent() {
        let (_root, dir) = folder("eval-00000001");
        fs::write(dir.path().join("state.json"), "{\"status\": \"fai").unwrap();

        assert_eq!(state(&dir), JobState::New);
    }

    #[test]
    fn a_folder_of_other_inputs_is_not_taken_for_ours() {
        let (_root, dir) = folder("eval-00000001");
        let job = job("eval-00000001", &[]);

        let error = dir
            .prepare(&job, &serde_json::json!({"recipe": 2}))
            .unwrap_err();

        assert!(matches!(error, ResultsError::OtherJob { .. }));
    }

    #[test]
    fn a_folder_cut_while_it_was_prepared_is_prepared_again() {
        let (_root, dir) = folder("eval-00000001");
        fs::write(dir.identity_path(), "{\"rec").unwrap();
        fs::write(dir.job_path(), "").unwrap();
        let job = job("eval-00000001", &[]);

        dir.prepare(&job, &serde_json::json!({"recipe": 1}))
            .unwrap();

        assert_eq!(dir.job().unwrap(), Some(job));
        assert_eq!(
            dir.identity().unwrap(),
            Some(serde_json::json!({"recipe": 1}))
        );
    }

    #[test]
    fn attempts_are_counted_from_one() {
        let (_root, dir) = folder("eval-00000001");

        assert_eq!(dir.last_attempt(), 0);
        assert_eq!(dir.new_attempt().unwrap(), 1);
        assert_eq!(dir.new_attempt().unwrap(), 2);
        assert_eq!(dir.last_attempt(), 2);
    }

    #[test]
    fn taking_the_lock_removes_half_written_files() {
        let (_root, dir) = folder("eval-00000001");
        fs::write(dir.path().join(".a1b2.tmp"), "half").unwrap();

        drop(dir.claim().unwrap());

        assert!(!dir.path().join(".a1b2.tmp").exists());
        assert!(dir.job().unwrap().is_some());
    }

    #[test]
    fn last_words_begin_with_the_last_error() {
        let words = |log: &str| last_words(log.as_bytes());

        assert_eq!(words(""), None);
        assert_eq!(words("a\nb\n\nc\nd\n").as_deref(), Some("b\nc\nd"));
        assert_eq!(
            words("INFO start\nerror: first\nINFO more\nerror: full disk\nhelp: free some\n")
                .as_deref(),
            Some("error: full disk\nhelp: free some")
        );
        assert_eq!(
            words("x\nthread 'main' panicked at src/a.rs:1:1:\nwhy\nnote: run\n").as_deref(),
            Some("thread 'main' panicked at src/a.rs:1:1:\nwhy\nnote: run")
        );
    }
}
