//! An evaluation as a job.

use std::path::Path;

use super::{
    Context, WorkerError,
    leader::Leader,
    measuring::{SampleLog, judge, judged_again, start_pool},
    model, remote_eval,
};
use crate::{
    data::PromptTemplate,
    disk::{DiskError, JsonLines},
    eval::{
        EvalError, EvalOutcome, EvalSettings, Inputs, Observer, SampleRecord, benchmark::Benchmark,
        measure,
    },
    plan::Work,
    ranks::Ranks,
    results::{JobDir, Outcome},
};

/// Measures the job's model, from the first task whose samples are not there.
pub(super) fn eval_job(
    context: Context<'_>,
    settings: &EvalSettings,
) -> Result<Outcome, WorkerError> {
    let work = &context.job.work;
    // Checked first: without a key nothing else needs to start.
    let remote = match work.remote() {
        Some(settings) => Some((settings, settings.connect()?)),
        None => None,
    };
    let descriptor = settings.descriptor()?;
    let benchmark = descriptor.open(&work.data, &settings.options())?;
    let template = PromptTemplate::load(work.prompts.of_tasks(descriptor.format))?;
    let mut leader = Leader::start(context.dir, &context.sharing, &context.stop)?;
    let pool = start_pool(settings, leader.ranks().count_here())?;
    context.attempt.judge = judge(settings, &pool)?;
    context.dir.write_attempt(context.attempt)?;
    let ranks = leader.ranks().clone();
    let inputs = Inputs {
        settings,
        template: &template,
        pool: &pool,
        seed: work.seed,
        ranks: &ranks,
    };
    let (samples, warnings) = match remote {
        Some((settings, remote)) => {
            let samples = remote_eval::samples(context, settings, &remote, &*benchmark, &inputs)?;
            // A server does not say whether it has cut a prompt.
            (samples, Vec::new())
        }
        None => samples(context, &*benchmark, &inputs).map_err(|error| match error {
            WorkerError::Eval(EvalError::Ranks(error)) => leader.explain(error),
            error => error,
        })?,
    };
    let mut outcome = EvalOutcome::of_samples(&*benchmark, &samples);
    outcome.warnings.extend(warnings);
    Ok(Outcome::Eval(outcome))
}

/// Measures the chunks of another rank than the first.
pub(super) fn help(
    work: &Work,
    settings: &EvalSettings,
    dir: &JobDir,
    ranks: &Ranks,
    observer: &mut dyn Observer,
) -> Result<(), WorkerError> {
    let descriptor = settings.descriptor()?;
    let benchmark = descriptor.open(&work.data, &settings.options())?;
    let template = PromptTemplate::load(work.prompts.of_tasks(descriptor.format))?;
    let pool = start_pool(settings, ranks.count_here())?;
    let inputs = Inputs {
        settings,
        template: &template,
        pool: &pool,
        seed: work.seed,
        ranks,
    };
    let device = work.backend.open_for(ranks.rank())?;
    let path = work.model_path.as_deref();
    let model = model::load(&work.model, path, &work.start, dir, &device)?;
    measure(&model, &*benchmark, &inputs, Vec::new(), observer)?;
    Ok(())
}

/// The samples of a model that runs here, and what makes them doubtful.
fn samples(
    context: Context<'_>,
    benchmark: &dyn Benchmark,
    inputs: &Inputs<'_>,
) -> Result<(Vec<SampleRecord>, Vec<String>), WorkerError> {
    let (dir, work, settings) = (context.dir, &context.job.work, inputs.settings);
    let device = work.backend.open()?;
    let path = work.model_path.as_deref();
    let model = model::load(&work.model, path, &work.start, dir, &device)?;

    let total = number_of_samples(settings, benchmark);
    let done = whole_chunks(&dir.samples(), settings.batch_size.max(1), total)?;
    let done = in_order(done, settings, benchmark);
    let done = judged_again(&dir.samples(), benchmark, done, inputs.pool)?;
    let chunks = done.last().map_or(0, |sample| sample.chunk + 1);
    let is_done = |sample: &SampleRecord| sample.chunk < chunks;
    let lines = JsonLines::resume(&dir.samples(), is_done)?;
    let mut log = SampleLog::new(lines, &done, context.progress, context.stop);
    let samples = measure(&model, benchmark, inputs, done, &mut log)?;
    Ok((samples, log.warnings))
}

fn number_of_samples(settings: &EvalSettings, benchmark: &dyn Benchmark) -> usize {
    let tasks = benchmark.tasks().len();
    let tasks = if settings.limit == 0 {
        tasks
    } else {
        tasks.min(settings.limit)
    };
    tasks * settings.samples
}

/// The chunks before the first sample that is not the one of its place: a lost or a repeated line would be
/// counted for another task.
fn in_order(
    mut done: Vec<SampleRecord>,
    settings: &EvalSettings,
    benchmark: &dyn Benchmark,
) -> Vec<SampleRecord> {
    let samples = settings.samples.max(1);
    let is_in_place = |(place, sample): (usize, &SampleRecord)| {
        let task = benchmark.tasks().get(place / samples);
        sample.index == place % samples && task.is_some_and(|task| task.id == sample.task_id)
    };
    let kept = done
        .iter()
        .enumerate()
        .take_while(|line| is_in_place(*line))
        .count();
    if kept < done.len() {
        tracing::warn!(
            "line {} of the samples is of another sample; they are made again from there",
            kept + 1
        );
        let size = settings.batch_size.max(1);
        done.truncate(kept / size * size);
    }
    done
}

/// The samples of an earlier attempt, up to the last chunk that is complete.
fn whole_chunks(
    path: &Path,
    chunk_size: usize,
    total: usize,
) -> Result<Vec<SampleRecord>, DiskError> {
    let mut samples: Vec<SampleRecord> = JsonLines::read_whole_part(path)?;
    let in_order = samples
        .iter()
        .enumerate()
        .take_while(|(place, sample)| sample.chunk == place / chunk_size)
        .count();
    let whole = if in_order >= total {
        total
    } else {
        in_order / chunk_size * chunk_size
    };
    samples.truncate(whole);
    Ok(samples)
}
