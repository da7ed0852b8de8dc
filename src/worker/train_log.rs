//! The records of a training in its job folder.

use std::{io, path::PathBuf};

use serde::Deserialize;

use super::{Reporter, StopFlag, WorkerError, tensorboard::EventFile, train_eval::Evaluation};
use crate::{
    disk::{DiskError, JsonLines},
    model::LanguageModel,
    results::{JobDir, in_words},
    train::{EvaluationRecord, NonFiniteRecord, Observer, SampleRecord, StepRecord, TrainError},
};

/// The number of skipped updates that are kept on file.
const MAX_NON_FINITE: usize = 10;

/// The part of a line that decides whether it is kept when a training resumes.
#[derive(Deserialize)]
pub(super) struct Step {
    pub(super) step: usize,
}

/// The logs of a training.
struct Lines {
    metrics: JsonLines,
    samples: JsonLines,
    /// `None` if there are no evaluations.
    evaluations: Option<JsonLines>,
}

/// Evaluates the model, and writes the records of its training into the job folder.
pub(super) struct TrainLog<'a> {
    dir: &'a JobDir,
    attempt: u32,
    /// `None` until training reports where it begins.
    lines: Option<Lines>,
    /// The same steps for TensorBoard; `None` until then, and after a failure to write them.
    events: Option<EventFile>,
    evaluation: Option<Evaluation<'a>>,
    /// The last evaluation.
    evaluated: Option<EvaluationRecord>,
    steps: usize,
    progress: &'a mut Reporter,
    stop: StopFlag,
    /// What makes the training doubtful.
    pub(super) warnings: Vec<String>,
}

impl<'a> TrainLog<'a> {
    /// The log of an attempt at a training of `steps` steps.
    pub(super) fn new(
        (dir, attempt): (&'a JobDir, u32),
        (progress, stop): (&'a mut Reporter, StopFlag),
        evaluation: Option<Evaluation<'a>>,
        steps: usize,
    ) -> Self {
        Self {
            dir,
            attempt,
            lines: None,
            events: None,
            evaluation,
            evaluated: None,
            steps,
            progress,
            stop,
            warnings: Vec::new(),
        }
    }

    /// Fails if a person has removed the folder.
    pub(super) fn check_folder(&self) -> Result<(), WorkerError> {
        self.progress.check_folder()
    }

    fn lines(&mut self) -> io::Result<&mut Lines> {
        self.lines
            .as_mut()
            .ok_or_else(|| io::Error::other("training has not reported where it begins"))
    }

    /// Starts an event file with the steps of `metrics.jsonl`.
    fn begin_events(&mut self) {
        let begun = JsonLines::read(&self.dir.metrics()).and_then(|records| {
            let evaluations = JsonLines::read(&self.dir.evaluations())?;
            let folder = self.dir.tensorboard();
            EventFile::begin(&folder, self.attempt, &records, &evaluations)
        });
        self.events = begun.map_err(|error| warn_of_events(&error)).ok();
    }

    /// Adds to the event file, if there is one.
    fn add_events(&mut self, add: impl FnOnce(&mut EventFile) -> Result<(), DiskError>) {
        if let Some(Err(error)) = self.events.as_mut().map(add) {
            warn_of_events(&error);
            // Readers find no record after half a one.
            self.events = None;
        }
    }

    /// A summary of a step, with the last evaluation.
    fn message(&self, record: &StepRecord) -> String {
        let evaluated = self.evaluated.as_ref();
        let evaluated = evaluated.map(|found| format!("  {}", in_figures(found)));
        message(record) + &evaluated.unwrap_or_default()
    }
}

/// Warns that TensorBoard will lack steps. Training continues, since this is only a view.
fn warn_of_events(error: &DiskError) {
    tracing::warn!(
        error = in_words(error),
        "no events for TensorBoard from now on"
    );
}

impl Observer for TrainLog<'_> {
    fn on_resume(&mut self, step: usize, evaluated: usize) -> io::Result<()> {
        let last = step as u64;
        let upto = |path: PathBuf, last: usize| {
            JsonLines::resume(&path, |line: &Step| line.step <= last).map_err(io::Error::other)
        };
        let open = |path| upto(path, step);
        self.check_folder().map_err(io::Error::other)?;
        // Most trainings have no such file.
        if self.dir.non_finite().exists() {
            open(self.dir.non_finite())?;
        }
        let evaluations = self.dir.evaluations();
        self.lines = Some(Lines {
            metrics: open(self.dir.metrics())?,
            samples: open(self.dir.samples())?,
            evaluations: match self.evaluation {
                Some(_) => Some(upto(evaluations.clone(), evaluated)?),
                None => None,
            },
        });
        let found: Vec<_> = JsonLines::read(&evaluations).map_err(io::Error::other)?;
        self.evaluated = found.into_iter().next_back();
        self.begin_events();
        self.progress.report(last, self.steps as u64, "");
        Ok(())
    }

    fn on_step(&mut self, record: &StepRecord) -> io::Result<()> {
        self.check_folder().map_err(io::Error::other)?;
        self.lines()?
            .metrics
            .append(record)
            .map_err(io::Error::other)?;
        self.add_events(|events| events.append(record));
        let message = self.message(record);
        self.progress
            .report(record.step as u64, self.steps as u64, message);
        Ok(())
    }

    fn evaluate(
        &mut self,
        model: &LanguageModel,
        step: usize,
    ) -> Result<Option<EvaluationRecord>, TrainError> {
        let failed = |source| TrainError::Evaluate { step, source };
        let Some(evaluation) = &self.evaluation else {
            return Err(failed(io::Error::other(
                "there is no benchmark to evaluate the model on",
            )));
        };
        let name = evaluation.name().to_owned();
        let (done, of) = (step as u64, self.steps as u64);
        self.progress
            .report(done, of, format!("evaluating on {name}"));
        let found = evaluation.measure(model, step)?;
        let Some(found) = found else { return Ok(None) };
        self.check_folder()
            .map_err(io::Error::other)
            .map_err(failed)?;
        if let Some(lines) = &mut self.lines().map_err(failed)?.evaluations {
            lines
                .append(&found)
                .map_err(io::Error::other)
                .map_err(failed)?;
        }
        self.add_events(|events| events.append_evaluation(&found));
        let message = in_figures(&found);
        tracing::info!("step {step}: {message} on {name}");
        self.progress.report(done, of, message);
        self.evaluated = Some(found.clone());
        Ok(Some(found))
    }

    fn on_sample(&mut self, sample: &SampleRecord) -> io::Result<()> {
        self.lines()?
            .samples
            .append(sample)
            .map_err(io::Error::other)
    }

    fn on_non_finite(&mut self, update: &NonFiniteRecord) -> io::Result<()> {
        self.check_folder().map_err(io::Error::other)?;
        let path = self.dir.non_finite();
        let kept = JsonLines::open(&path)
            .and_then(|mut lines| lines.append(update))
            .and_then(|()| JsonLines::keep_last(&path, MAX_NON_FINITE));
        kept.map_err(io::Error::other)?;
        let (step, file) = (update.step, path.display());
        tracing::warn!("step {step}: an update was not finite and is skipped, see `{file}`");
        Ok(())
    }

    fn before_checkpoint(&mut self) -> io::Result<()> {
        self.check_folder().map_err(io::Error::other)?;
        let lines = self.lines()?;
        let logs = [
            Some(&lines.metrics),
            Some(&lines.samples),
            lines.evaluations.as_ref(),
        ];
        for log in logs.into_iter().flatten() {
            log.sync().map_err(io::Error::other)?;
        }
        Ok(())
    }

    fn on_warning(&mut self, text: &str) {
        tracing::warn!("{text}");
        self.warnings.push(text.to_owned());
    }

    fn on_note(&mut self, text: &str) {
        tracing::warn!("{text}");
    }

    fn should_stop(&self) -> bool {
        self.stop.is_set()
    }
}

/// A summary of an evaluation.
fn in_figures(found: &EvaluationRecord) -> String {
    format!("pass@1 {:.3} at step {}", found.pass_at_1, found.step)
}

/// A summary of a step.
fn message(record: &StepRecord) -> String {
    let seconds = record.timing.seconds;
    let loss = record
        .loss
        .map_or_else(|| "-".to_owned(), |loss| format!("{loss:.3}"));
    match &record.rollout {
        Some(rollout) => {
            let kl = rollout
                .kl
                .map(|kl| format!("  kl {kl:.3}"))
                .unwrap_or_default();
            format!(
                "reward {:.2}{kl}  {seconds:.2} s/step",
                rollout.reward.total
            )
        }
        None => format!("loss {loss}  {seconds:.2} s/step"),
    }
}
