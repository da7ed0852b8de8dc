//! What a job has written to its files so far.

use std::{io, path::PathBuf};

use serde::de::DeserializeOwned;

use super::completion::Completion;
use crate::{
    cli::tail::Tail,
    results::{JobDir, Note, Progress},
    train::{EvaluationRecord, StepRecord},
};

/// How many completions are kept.
const COMPLETIONS: usize = 2;

/// How much of the end of `samples.jsonl`, which may be long, is read first.
const MOST_BYTES: u64 = 1 << 18;

/// The steps, evaluations, latest completions and last note of a job.
pub(super) struct JobLog {
    pub(super) dir: JobDir,
    /// What the job does; empty if that is not known.
    pub(super) what: String,
    /// Every how many steps completions are written, if that is known.
    pub(super) samples_every: Option<usize>,
    pub(super) steps: Vec<StepRecord>,
    pub(super) evaluations: Vec<EvaluationRecord>,
    pub(super) completions: Vec<Completion>,
    pub(super) note: Option<Note>,
    metrics_file: Tail,
    evaluations_file: Tail,
    samples_file: Tail,
}

impl JobLog {
    /// The log of a job of which nothing is read yet.
    pub(super) fn new(dir: JobDir) -> Self {
        // None for a folder of an earlier version of this program, which can be watched as well.
        let job = dir.job().ok().flatten();
        let near_end = |path: PathBuf| Tail::near_end(path, MOST_BYTES);
        let train = job.as_ref().and_then(|job| job.work.as_train());
        let samples_every = train.map(|train| train.samples_every);
        Self {
            what: job.map_or_else(String::new, |job| job.what()),
            samples_every,
            steps: Vec::new(),
            evaluations: Vec::new(),
            completions: Vec::new(),
            note: None,
            metrics_file: Tail::new(dir.metrics()),
            evaluations_file: Tail::new(dir.evaluations()),
            samples_file: near_end(dir.samples()),
            dir,
        }
    }

    /// Reads what was written since the last call.
    pub(super) fn read_new(&mut self) -> io::Result<()> {
        self.note = self.dir.note();
        read_records(&mut self.metrics_file, &mut self.steps)?;
        read_records(&mut self.evaluations_file, &mut self.evaluations)?;
        let added = self.samples_file.read_new()?;
        if added.is_replaced {
            self.completions.clear();
        }
        // Only the last lines are parsed.
        let mut lines: Vec<&str> = added.text.lines().rev().take(COMPLETIONS).collect();
        lines.reverse();
        self.completions
            .extend(lines.into_iter().filter_map(Completion::parse));
        let surplus = self.completions.len().saturating_sub(COMPLETIONS);
        self.completions.drain(..surplus);
        Ok(())
    }

    /// How far the job is, as its last note says.
    pub(super) fn progress(&self) -> Option<&Progress> {
        self.note.as_ref()?.progress.as_ref()
    }
}

/// Adds the new lines of a file to the records; starts again if the file was replaced.
fn read_records<T: DeserializeOwned>(file: &mut Tail, records: &mut Vec<T>) -> io::Result<()> {
    let added = file.read_new()?;
    if added.is_replaced {
        records.clear();
    }
    let new = added.text.lines().map(serde_json::from_str);
    records.extend(new.filter_map(Result::ok));
    Ok(())
}
