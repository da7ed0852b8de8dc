//! A training as a job.

use std::{collections::BTreeMap, fs, io, path::PathBuf};

use serde::Deserialize;

use super::{
    Context, Reporter, StopFlag, WorkerError, model, tensorboard::EventFile, train_eval::Evaluation,
};
use crate::{
    data::{PromptTemplate, TrainingRow, read_training_rows, target_text},
    digest::Digest,
    disk::{DiskError, JsonLines},
    eval::prompt_text,
    model::{AdapterKind, Chat, LanguageModel},
    plan::TrainWork,
    results::{JobDir, Outcome, TrainOutcome, in_words},
    seed,
    train::{
        Algorithm, Ended, EvaluationRecord, Inputs, NonFiniteRecord, Observer, Row, SampleRecord,
        StepRecord, TrainError, train,
    },
};

/// How many updates that were left out stay on file.
const MOST_NON_FINITE: usize = 10;

/// Trains the model of `work`, from its last checkpoint if there is one.
pub(super) fn train_job(
    mut context: Context<'_>,
    work: &TrainWork,
) -> Result<Outcome, WorkerError> {
    let dir = context.dir;
    let evaluation = match &work.evaluation {
        Some(told) => Some(Evaluation::start(&mut context, work, told)?),
        None => None,
    };
    let device = work.backend.open()?;
    let mut model = model::load(
        &work.model,
        work.model_path.as_deref(),
        &work.start,
        dir,
        &device,
    )?;
    let rows = rows(work, &model.chat)?;
    let adapter = &work.model.adapter;
    model.attach_adapter(adapter, seed::stream(work.seed, "adapter", 0, 0).next_u64())?;
    let inputs = Inputs {
        settings: &work.train,
        rows: &rows,
        seed: work.seed,
        checkpoints: &dir.checkpoints(),
    };
    let mut log = Log {
        dir,
        attempt: context.attempt.attempt,
        lines: None,
        events: None,
        evaluation,
        evaluated: None,
        steps: work.train.max_steps,
        progress: context.progress,
        stop: context.stop,
    };
    let outcome = train(model, &inputs, &mut log).map_err(|error| match error {
        TrainError::Diverged { .. } => WorkerError::Diverged {
            path: dir.non_finite(),
            source: error,
        },
        error => error.into(),
    })?;
    if outcome.ended == Ended::Stopped {
        return Err(WorkerError::Stopped);
    }
    let folder = dir.model();
    let is_adapter = adapter.kind != AdapterKind::None;
    if is_adapter {
        outcome.model.save_adapter(&folder, &work.model.base)?;
    } else {
        outcome.model.save(&folder)?;
    }
    let model_digest = Digest::of_folder(&folder).map_err(|source| WorkerError::Hash {
        path: folder,
        source,
    })?;
    Ok(Outcome::Train(TrainOutcome {
        steps: outcome.steps as u64,
        final_metrics: final_metrics(dir, outcome.weights)?,
        model_digest,
        adapter: is_adapter,
    }))
}

/// The migrations as prompts and targets.
fn rows(work: &TrainWork, chat: &Chat) -> Result<Vec<Row>, WorkerError> {
    let template = PromptTemplate::load(&work.prompts.migration)?;
    let is_rewarded = !matches!(work.train.algorithm, Algorithm::Sft(_));
    let row = |(index, row): (usize, TrainingRow)| {
        let id = format!("row {}", index + 1);
        Ok(match row {
            TrainingRow::Migration(row) => Row {
                id,
                prompt: prompt_text(template.render(&row.prompt_fields())?, chat)?,
                target_text: target_text(&row.new_code),
                target_code: row.new_code,
            },
            TrainingRow::Text(_) if is_rewarded => return Err(WorkerError::TextsHaveNoTarget),
            TrainingRow::Text(row) => Row {
                id,
                prompt: row.prompt,
                target_text: row.completion,
                target_code: String::new(),
            },
        })
    };
    read_training_rows(&work.data)?
        .into_iter()
        .enumerate()
        .map(row)
        .collect()
}

/// The metrics of the last step, from its line in `metrics.jsonl`; times are left out. If the model
/// was measured, also what came out with the last step's weights and with the model's own.
fn final_metrics(dir: &JobDir, weights: usize) -> Result<BTreeMap<String, f64>, DiskError> {
    let records: Vec<StepRecord> = JsonLines::read(&dir.metrics())?;
    let Some(last) = records.last() else {
        return Ok(BTreeMap::new());
    };
    let mut metrics = BTreeMap::new();
    let mut put = |name: &str, value: Option<f64>| {
        metrics.extend(value.map(|value| (name.to_owned(), value)));
    };
    put("loss", last.loss);
    put("gradient_norm", last.gradient_norm);
    put("learning_rate", Some(last.learning_rate));
    if let Some(rollout) = &last.rollout {
        put("reward", Some(rollout.reward.total));
        put("reward_format", Some(rollout.reward.format));
        put("reward_correctness", Some(rollout.reward.correctness));
        put("zero_spread_share", Some(rollout.zero_spread_share));
        put("completion_tokens", Some(rollout.completion_tokens));
        put("kl", rollout.kl);
        put("entropy", rollout.entropy);
    }
    let evaluations: Vec<EvaluationRecord> = JsonLines::read(&dir.evaluations())?;
    let of_step = |step: usize| evaluations.iter().find(|record| record.step == step);
    put(
        "eval.pass@1",
        of_step(last.step).map(|record| record.pass_at_1),
    );
    if let Some(record) = of_step(weights).filter(|record| record.step != last.step) {
        put("model.step", Some(weights as f64));
        put("model.eval.pass@1", Some(record.pass_at_1));
    }
    Ok(metrics)
}

/// The part of a line by which a log is cut back to where the training goes on.
#[derive(Deserialize)]
struct Step {
    step: usize,
}

/// The logs of a training.
struct Lines {
    metrics: JsonLines,
    samples: JsonLines,
    /// None where nothing is measured.
    evaluations: Option<JsonLines>,
}

/// Measures the model, and writes down what training tells.
struct Log<'a> {
    dir: &'a JobDir,
    attempt: u32,
    /// There once training has said where it begins.
    lines: Option<Lines>,
    /// The same steps for TensorBoard; none before, or once they could not be written.
    events: Option<EventFile>,
    evaluation: Option<Evaluation<'a>>,
    /// The last evaluation.
    evaluated: Option<EvaluationRecord>,
    steps: usize,
    progress: &'a mut Reporter,
    stop: StopFlag,
}

impl Log<'_> {
    fn lines(&mut self) -> io::Result<&mut Lines> {
        self.lines
            .as_mut()
            .ok_or_else(|| io::Error::other("training has not said where it begins"))
    }

    /// Starts the events with the steps of `metrics.jsonl`.
    fn begin_events(&mut self) {
        let begun = JsonLines::read(&self.dir.metrics()).and_then(|records| {
            let evaluations = JsonLines::read(&self.dir.evaluations())?;
            let folder = self.dir.tensorboard();
            EventFile::begin(&folder, self.attempt, &records, &evaluations)
        });
        self.events = begun.map_err(|error| warn_of_events(&error)).ok();
    }

    /// Adds to the events, if there are any.
    fn add_events(&mut self, add: impl FnOnce(&mut EventFile) -> Result<(), DiskError>) {
        if let Some(Err(error)) = self.events.as_mut().map(add) {
            warn_of_events(&error);
            // Behind half a record, readers find no other.
            self.events = None;
        }
    }

    /// What a person wants to know of a step.
    fn message(&self, record: &StepRecord) -> String {
        let evaluated = self.evaluated.as_ref();
        let evaluated = evaluated.map(|found| format!("  {}", in_figures(found)));
        message(record) + &evaluated.unwrap_or_default()
    }
}

/// Says that TensorBoard will lack steps: a view is not worth a training.
fn warn_of_events(error: &DiskError) {
    tracing::warn!(
        error = in_words(error),
        "no events for TensorBoard from here on"
    );
}

impl Observer for Log<'_> {
    fn on_resume(&mut self, step: usize, evaluated: usize) -> io::Result<()> {
        let last = step as u64;
        let upto = |path: PathBuf, last: usize| {
            JsonLines::resume(&path, |line: &Step| line.step <= last).map_err(io::Error::other)
        };
        let open = |path| upto(path, step);
        fs::create_dir_all(self.dir.path())?;
        // Most trainings have none.
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
    ) -> io::Result<Option<EvaluationRecord>> {
        let Some(evaluation) = &self.evaluation else {
            return Err(io::Error::other("there is nothing to measure the model on"));
        };
        let name = evaluation.name().to_owned();
        let (done, of) = (step as u64, self.steps as u64);
        self.progress
            .report(done, of, format!("measured on {name}"));
        let found = evaluation.measure(model, step).map_err(io::Error::other)?;
        let Some(found) = found else { return Ok(None) };
        if let Some(lines) = &mut self.lines()?.evaluations {
            lines.append(&found).map_err(io::Error::other)?;
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
        let path = self.dir.non_finite();
        let kept = JsonLines::open(&path)
            .and_then(|mut lines| lines.append(update))
            .and_then(|()| JsonLines::keep_last(&path, MOST_NON_FINITE));
        kept.map_err(io::Error::other)?;
        let (step, file) = (update.step, path.display());
        tracing::warn!("step {step}: an update was not finite and is left out, see `{file}`");
        Ok(())
    }

    fn on_note(&mut self, text: &str) {
        tracing::warn!("{text}");
    }

    fn should_stop(&self) -> bool {
        self.stop.is_set()
    }
}

/// What a person wants to know of an evaluation.
fn in_figures(found: &EvaluationRecord) -> String {
    format!("pass@1 {:.3} at step {}", found.pass_at_1, found.step)
}

/// What a person wants to know of a step alone.
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
