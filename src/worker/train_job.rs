//! A training as a job.

use std::{collections::BTreeMap, fs, io, path::PathBuf};

use super::{Context, Reporter, StopFlag, WorkerError, model, tensorboard::EventFile};
use crate::{
    data::{PromptTemplate, TrainingRow, read_training_rows, target_text},
    digest::Digest,
    eval::prompt_text,
    model::{AdapterKind, Chat},
    plan::TrainWork,
    results::{JobDir, JsonLines, Outcome, ResultsError, TrainOutcome, in_words},
    seed,
    train::{
        Algorithm, Ended, Inputs, NonFiniteRecord, Observer, Row, SampleRecord, StepRecord,
        TrainError, train,
    },
};

/// How many updates that were left out stay on file.
const MOST_NON_FINITE: usize = 10;

/// Trains the model of `work`, from its last checkpoint if there is one.
pub(super) fn train_job(context: Context<'_>, work: &TrainWork) -> Result<Outcome, WorkerError> {
    let dir = context.dir;
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
        final_metrics: final_metrics(dir)?,
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

/// The metrics of the last step, from its line in `metrics.jsonl`; times are left out.
fn final_metrics(dir: &JobDir) -> Result<BTreeMap<String, f64>, ResultsError> {
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
    Ok(metrics)
}

/// Writes down what training tells.
struct Log<'a> {
    dir: &'a JobDir,
    attempt: u32,
    /// `metrics.jsonl` and `samples.jsonl`; there once training has said where it begins.
    lines: Option<(JsonLines, JsonLines)>,
    /// The same steps for TensorBoard; none before, or once they could not be written.
    events: Option<EventFile>,
    steps: usize,
    progress: &'a mut Reporter,
    stop: StopFlag,
}

impl Log<'_> {
    fn lines(&mut self) -> io::Result<&mut (JsonLines, JsonLines)> {
        self.lines
            .as_mut()
            .ok_or_else(|| io::Error::other("training has not said where it begins"))
    }

    /// Starts the events with the steps of `metrics.jsonl`.
    fn begin_events(&mut self) {
        let begun = JsonLines::read(&self.dir.metrics())
            .and_then(|records| EventFile::begin(&self.dir.tensorboard(), self.attempt, &records));
        self.events = begun.map_err(|error| warn_of_events(&error)).ok();
    }
}

/// Says that TensorBoard will lack steps: a view is not worth a training.
fn warn_of_events(error: &ResultsError) {
    tracing::warn!(
        error = in_words(error),
        "no events for TensorBoard from here on"
    );
}

impl Observer for Log<'_> {
    fn on_resume(&mut self, step: usize) -> io::Result<()> {
        let last = step as u64;
        let open =
            |path: PathBuf| JsonLines::resume(&path, |line| line <= last).map_err(io::Error::other);
        fs::create_dir_all(self.dir.path())?;
        // Most trainings have none.
        if self.dir.non_finite().exists() {
            open(self.dir.non_finite())?;
        }
        self.lines = Some((open(self.dir.metrics())?, open(self.dir.samples())?));
        self.begin_events();
        self.progress.report(last, self.steps as u64, "");
        Ok(())
    }

    fn on_step(&mut self, record: &StepRecord) -> io::Result<()> {
        self.lines()?.0.append(record).map_err(io::Error::other)?;
        if let Some(Err(error)) = self.events.as_mut().map(|events| events.append(record)) {
            warn_of_events(&error);
            // Behind half a record, readers find no other.
            self.events = None;
        }
        self.progress
            .report(record.step as u64, self.steps as u64, message(record));
        Ok(())
    }

    fn on_sample(&mut self, sample: &SampleRecord) -> io::Result<()> {
        self.lines()?.1.append(sample).map_err(io::Error::other)
    }

    fn on_non_finite(&mut self, update: &NonFiniteRecord) -> io::Result<()> {
        let path = self.dir.non_finite();
        let kept = JsonLines::resume(&path, |_| true)
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

/// What a person wants to know of a step.
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
