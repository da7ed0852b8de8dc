//! A training as a job.

use std::{collections::BTreeMap, path::Path, sync::Arc};

use super::{
    Context, StopFlag, WorkerError, leader::Leader, lost, model, remote_teacher::AskedTeacher,
    reward_tools::Tools, train_eval::Evaluation, train_log::TrainLog,
};
use crate::{
    data::{NoteKind, PromptTemplate, TrainingRow, read_training_rows, target_text},
    digest::Digest,
    disk::{DiskError, JsonLines},
    eval::{is_raw, prompt_text},
    model::{AdapterKind, Chat, Decoder, LanguageModel},
    plan::{TrainEval, Work},
    ranks::Ranks,
    results::{JobDir, Outcome, TrainOutcome},
    reward::UnitTests,
    seed,
    train::{
        self, Ended, EvaluationRecord, Inputs, Observer, Row, StepRecord, Teacher, TrainError,
        TrainSettings, train,
    },
};

/// Trains the job's model, from its last checkpoint if there is one.
pub(super) fn train_job(
    context: Context<'_>,
    settings: &TrainSettings,
    evaluation: Option<&TrainEval>,
) -> Result<Outcome, WorkerError> {
    let (dir, work) = (context.dir, &context.job.work);
    let mut leader = Leader::start(dir, &context.sharing, &context.stop)?;
    let evaluation = match evaluation {
        Some(planned) => {
            let stop = context.stop.clone();
            let evaluation = Evaluation::start(work, planned, leader.ranks(), stop)?;
            context.attempt.judge = evaluation.judge()?;
            Some(evaluation)
        }
        None => None,
    };
    let prepared = Prepared::load(work, settings, dir, leader.ranks(), &context.stop)?;
    let teacher = prepared.teacher.clone();
    if let Some(teacher) = &teacher {
        context.attempt.remote = teacher.facts();
    }
    let versions = prepared.tools.versions();
    context.attempt.judge.extend(versions);
    dir.write_attempt(context.attempt)?;
    lost::drop_last_checkpoint_without_metrics(dir, settings.max_steps)?;
    let is_evaluated = evaluation.is_some();
    let watched = (context.progress, context.stop);
    let mut log = TrainLog::new(
        (dir, context.attempt.attempt),
        watched,
        evaluation,
        settings.max_steps,
    );
    let ended = prepared.train(work, settings, dir, leader.ranks(), &mut log);
    if let Some(teacher) = &teacher {
        // Also of an attempt that failed or was stopped: its questions have been paid for.
        context.attempt.remote = teacher.facts();
        dir.write_attempt(context.attempt)?;
    }
    let outcome = ended.map_err(|error| match error {
        TrainError::Diverged { .. } => WorkerError::Diverged {
            path: dir.non_finite(),
            source: error,
        },
        TrainError::Ranks(error) => leader.explain(error),
        error => error.into(),
    })?;
    if outcome.ended == Ended::Stopped {
        return Err(WorkerError::Stopped);
    }
    log.check_folder()?;
    let model_digest = save(&outcome.model, work, &dir.model())?;
    let mut warnings = log.warnings;
    if let Some(teacher) = &teacher {
        warnings.push(teacher.warning());
    }
    warnings.extend(no_update(dir)?);
    warnings.extend(lost::warnings(dir, outcome.steps, is_evaluated)?);
    Ok(Outcome::Train(TrainOutcome {
        steps: outcome.steps as u64,
        final_metrics: final_metrics(dir, outcome.steps, outcome.weights)?,
        target_log_prob: outcome.target_log_prob,
        model_digest,
        adapter: work.model.adapter.kind != AdapterKind::None,
        warnings,
    }))
}

/// What a training reads, in memory.
pub(super) struct Prepared {
    loaded: Loaded,
    tools: Tools,
    /// The model that it imitates, if that is behind an endpoint.
    teacher: Option<Arc<AskedTeacher>>,
}

/// The models and rows of a training.
pub(super) struct Loaded {
    /// The model that it begins with, adapter included.
    pub(super) model: LanguageModel,
    pub(super) rows: Vec<Row>,
    /// The model that it imitates, if that is on this machine.
    pub(super) teacher: Option<Decoder>,
}

impl Prepared {
    /// Loads it on the device of a rank, as each rank does.
    pub(super) fn load(
        work: &Work,
        settings: &TrainSettings,
        dir: &JobDir,
        ranks: &Ranks,
        stop: &StopFlag,
    ) -> Result<Self, WorkerError> {
        let remote = settings.algorithm.remote_teacher();
        let teacher = remote.map(|remote| AskedTeacher::new(remote, stop.clone()));
        let mut teacher = teacher.transpose()?;
        let loaded = start(work, settings, dir, ranks.rank())?;
        if let Some(teacher) = teacher.as_mut().filter(|_| ranks.is_first()) {
            teacher.compare(&loaded.model.tokenizer)?;
        }
        let tools = Tools::start(settings, ranks.count_here())?;
        Ok(Self {
            loaded,
            tools,
            teacher: teacher.map(Arc::new),
        })
    }

    /// Trains as one of `ranks`.
    pub(super) fn train(
        self,
        work: &Work,
        settings: &TrainSettings,
        dir: &JobDir,
        ranks: &Ranks,
        observer: &mut dyn Observer,
    ) -> Result<train::Outcome, TrainError> {
        let inputs = Inputs {
            settings,
            rows: &self.loaded.rows,
            seed: work.seed,
            checkpoints: &dir.checkpoints(),
            tools: self.tools.as_reward_tools(),
            ranks,
            teacher: match (&self.teacher, &self.loaded.teacher) {
                (Some(teacher), _) => Some(Teacher::Remote(&**teacher)),
                (None, teacher) => teacher.as_ref().map(Teacher::Local),
            },
        };
        train(self.loaded.model, &inputs, observer)
    }
}

/// Loads the models and rows of a training onto the device of a rank. `dir` is the folder of the job.
pub(super) fn start(
    work: &Work,
    settings: &TrainSettings,
    dir: &JobDir,
    rank: usize,
) -> Result<Loaded, WorkerError> {
    let device = work.backend.open_for(rank)?;
    let path = work.model_path.as_deref();
    let mut model = model::load(&work.model, path, &work.start, dir, &device)?;
    let rows = rows(work, settings, &model.chat)?;
    let adapter = &work.model.adapter;
    model.attach_adapter(adapter, seed::stream(work.seed, "adapter", 0, 0).next_u64())?;
    Ok(Loaded {
        teacher: model::teacher(work, &model, &device)?,
        model,
        rows,
    })
}

/// Writes the trained model, or its adapter alone, and returns the digest of the folder.
pub(super) fn save(
    model: &LanguageModel,
    work: &Work,
    folder: &Path,
) -> Result<Digest, WorkerError> {
    if work.model.adapter.kind == AdapterKind::None {
        model.save(folder)?;
    } else {
        model.save_adapter(folder, &work.model.base)?;
    }
    Digest::of_folder(folder).map_err(|source| WorkerError::Hash {
        path: folder.to_owned(),
        source,
    })
}

/// A warning if no step has changed the weights, so that the model is the one that the training started
/// with.
fn no_update(dir: &JobDir) -> Result<Option<String>, DiskError> {
    let records: Vec<StepRecord> = JsonLines::read(&dir.metrics())?;
    let is_without = |record: &StepRecord| record.loss.is_none();
    let skipped = records.last().map_or(0, |record| record.skipped_updates);
    let has_none = skipped > 0 && records.iter().all(is_without);
    Ok(has_none.then(|| {
        let steps = records.len();
        format!("all updates of {steps} steps were skipped: the model is the one that the training started with")
    }))
}

/// The rows of the data as prompts and targets.
fn rows(work: &Work, settings: &TrainSettings, chat: &Chat) -> Result<Vec<Row>, WorkerError> {
    let template = PromptTemplate::load(&work.prompts.migration)?;
    let is_rewarded = settings.algorithm.has_reward();
    let row = |(index, (row, kind)): (usize, (TrainingRow, NoteKind))| {
        let mut id = format!("row {}", index + 1);
        if kind != NoteKind::Right {
            id = format!("{id}, {} note", kind.name());
        }
        Ok(match row {
            TrainingRow::Migration(row) => {
                let prompt = template.render(&row.prompt_fields())?;
                Row {
                    id,
                    is_raw: is_raw(&prompt, chat),
                    prompt: prompt_text(prompt, chat)?,
                    target_text: target_text(&row.new_code),
                    note: row.update_info,
                    tests: (!row.tests.is_empty()).then_some(UnitTests {
                        setup: row.setup,
                        tests: row.tests,
                    }),
                    target_code: row.new_code,
                }
            }
            TrainingRow::Text(_) if is_rewarded => return Err(WorkerError::TextsHaveNoTarget),
            TrainingRow::Text(row) => Row {
                id,
                is_raw: true,
                prompt: row.prompt,
                target_text: row.completion,
                target_code: String::new(),
                note: String::new(),
                tests: None,
            },
        })
    };
    let rows = read_training_rows(&work.data)?;
    let mixed = work.notes.mix_training(rows, work.seed);
    mixed.into_iter().enumerate().map(row).collect()
}

/// The metrics of the last step without times, from its line in `metrics.jsonl`.
///
/// If there were evaluations, also the one of the last step and the one of the step `weights`,
/// whose weights the model has.
fn final_metrics(
    dir: &JobDir,
    steps: usize,
    weights: usize,
) -> Result<BTreeMap<String, f64>, DiskError> {
    let records: Vec<StepRecord> = JsonLines::read(&dir.metrics())?;
    // Without the line of the last step there are none: those of another step would be taken for them.
    let Some(last) = records.last().filter(|last| last.step == steps) else {
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
        for (part, value) in &rollout.reward.parts {
            put(&format!("reward_part.{part}"), Some(*value));
        }
        if let Some(tests) = rollout.reward.tests {
            put("tests.rewarded", Some(tests.rewarded));
            put("tests.hidden", tests.hidden);
        }
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
