//! An evaluation as a job.

use std::{collections::BTreeMap, io, path::Path};

use serde_json::json;

use super::{Context, Reporter, StopFlag, WorkerError, model, remote_eval};
use crate::{
    data::{Cache, PromptTemplate},
    digest::Digest,
    disk::{DiskError, JsonLines},
    eval::{
        EvalSettings, Inputs, Observer, SampleRecord, Tally,
        benchmark::{self, Benchmark},
        measure,
    },
    results::{EvalOutcome, Outcome, TaskOutcome, UNJUDGED},
    sandbox::{Pool, Settings, choose_interpreter},
};

/// Measures the job's model, from the first task whose samples are not there.
pub(super) fn eval_job(
    mut context: Context<'_>,
    settings: &EvalSettings,
) -> Result<Outcome, WorkerError> {
    let work = &context.job.work;
    // Without a key there is nothing to do: said before anything else is started.
    let remote = match work.remote() {
        Some(settings) => Some((settings, settings.connect()?)),
        None => None,
    };
    let benchmark = benchmark::open_with(&settings.benchmark, &work.data, &settings.options())?;
    let template = PromptTemplate::load(work.prompts.of_benchmark(&settings.benchmark))?;
    let pool = judge(&mut context, settings)?;
    let inputs = Inputs {
        settings,
        template: &template,
        pool: &pool,
        seed: work.seed,
    };
    let samples = match remote {
        Some((settings, remote)) => {
            remote_eval::samples(context, settings, &remote, &*benchmark, &inputs)?
        }
        None => samples(context, &*benchmark, &inputs)?,
    };
    Ok(Outcome::Eval(outcome(
        &*benchmark,
        settings.benchmark.clone(),
        &samples,
    )))
}

/// The samples of a model that runs here.
fn samples(
    context: Context<'_>,
    benchmark: &dyn Benchmark,
    inputs: &Inputs<'_>,
) -> Result<Vec<SampleRecord>, WorkerError> {
    let (dir, work, settings) = (context.dir, &context.job.work, inputs.settings);
    let device = work.backend.open()?;
    let path = work.model_path.as_deref();
    let model = model::load(&work.model, path, &work.start, dir, &device)?;

    let total = number_of_samples(settings, benchmark);
    let done = whole_chunks(&dir.samples(), settings.batch_size.max(1), total)?;
    let chunks = done.last().map_or(0, |sample| sample.step + 1) as u64;
    let lines = JsonLines::resume(&dir.samples(), |sample: &SampleRecord| {
        (sample.step as u64) < chunks
    })?;
    let mut log = Log::new(lines, &done, context.progress, context.stop);
    Ok(measure(&model, benchmark, inputs, done, &mut log)?)
}

/// Starts the judge, and notes in the provenance what it is.
pub(super) fn judge(
    context: &mut Context<'_>,
    settings: &EvalSettings,
) -> Result<Pool, WorkerError> {
    let libraries = benchmark::libraries(&settings.benchmark);
    let named = settings.named_python();
    let cache = Cache::from_environment();
    let pool = Pool::start(&Settings {
        interpreter: choose_interpreter(named, !libraries.is_empty(), cache.folder()),
        is_unsandboxed_allowed: settings.allow_unsandboxed,
        ..Settings::default()
    })?;
    let mut judge = pool.interpreter().libraries(libraries);
    for name in libraries {
        if !judge.contains_key(*name) {
            tracing::warn!(name, "not installed: tasks that import it cannot pass");
        }
    }
    judge.insert("python".to_owned(), pool.interpreter().version.clone());
    judge.insert("sandbox".to_owned(), pool.safeguards().to_string());
    context.attempt.judge = judge;
    context.dir.write_attempt(context.attempt)?;
    Ok(pool)
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

/// The samples of an earlier attempt, up to the last chunk that is all there.
fn whole_chunks(
    path: &Path,
    chunk_size: usize,
    total: usize,
) -> Result<Vec<SampleRecord>, DiskError> {
    let mut samples: Vec<SampleRecord> = JsonLines::read(path)?;
    let in_order = samples
        .iter()
        .enumerate()
        .take_while(|(place, sample)| sample.step == place / chunk_size)
        .count();
    let whole = if in_order >= total {
        total
    } else {
        in_order / chunk_size * chunk_size
    };
    samples.truncate(whole);
    Ok(samples)
}

fn passed(sample: &SampleRecord) -> bool {
    sample
        .judgement
        .as_ref()
        .is_some_and(|judgement| judgement.passed)
}

/// Writes down samples as they come.
pub(super) struct Log<'a> {
    lines: JsonLines,
    samples: usize,
    passed: usize,
    progress: &'a mut Reporter,
    stop: StopFlag,
}

impl<'a> Log<'a> {
    /// A log that goes on behind the samples that are `done`.
    pub(super) fn new(
        lines: JsonLines,
        done: &[SampleRecord],
        progress: &'a mut Reporter,
        stop: StopFlag,
    ) -> Self {
        Self {
            lines,
            samples: done.len(),
            passed: done.iter().filter(|sample| passed(sample)).count(),
            progress,
            stop,
        }
    }
}

impl Observer for Log<'_> {
    fn on_chunk(&mut self, samples: &[SampleRecord], total: usize) -> io::Result<()> {
        for sample in samples {
            self.lines.append(sample).map_err(io::Error::other)?;
            if let Some(error) = &sample.error {
                tracing::warn!(task = sample.task_id, error, "a sample could not be judged");
            }
        }
        self.samples += samples.len();
        self.passed += samples.iter().filter(|sample| passed(sample)).count();
        let message = format!("passed {}", self.passed);
        self.progress
            .report(self.samples as u64, total as u64, message);
        Ok(())
    }

    fn should_stop(&self) -> bool {
        self.stop.is_set()
    }
}

/// What the samples of a benchmark amount to.
pub(super) fn outcome(
    benchmark: &dyn Benchmark,
    name: String,
    samples: &[SampleRecord],
) -> EvalOutcome {
    let places: BTreeMap<&str, usize> = benchmark
        .tasks()
        .iter()
        .map(|task| task.id.as_str())
        .zip(0..)
        .collect();
    let mut tasks: Vec<TaskOutcome> = Vec::new();
    for sample in samples {
        if tasks
            .last()
            .is_none_or(|task| task.task_id != sample.task_id)
        {
            let place = places.get(sample.task_id.as_str());
            tasks.push(TaskOutcome {
                task_id: sample.task_id.clone(),
                group: place.and_then(|place| benchmark.tasks()[*place].group.clone()),
                kind: place.and_then(|place| benchmark.tasks()[*place].kind.clone()),
                passed: Vec::new(),
                verdicts: Vec::new(),
            });
        }
        if let Some(task) = tasks.last_mut() {
            task.passed.push(passed(sample));
            task.verdicts.push(verdict(sample).to_owned());
        }
    }
    let judged: Vec<_> = samples
        .iter()
        .filter_map(|sample| {
            Some((
                *places.get(sample.task_id.as_str())?,
                sample.judgement.as_ref(),
            ))
        })
        .collect();
    let tally = Tally::new(benchmark.tasks().len(), &judged);
    EvalOutcome {
        benchmark: name,
        tasks,
        counts: counts(&tally, samples),
        metrics: metrics(tally),
        samples_digest: digest(samples),
    }
}

fn verdict(sample: &SampleRecord) -> &'static str {
    sample
        .judgement
        .as_ref()
        .map_or(UNJUDGED, |judgement| judgement.verdict.name())
}

/// The rates of a tally by name: `pass@1`, and `upass.pass@1` for what a benchmark counts besides.
fn metrics(tally: Tally) -> BTreeMap<String, f64> {
    let mut metrics = tally.pass_at_k;
    for (measure, rates) in tally.measures {
        metrics.extend(
            rates
                .into_iter()
                .map(|(k, rate)| (format!("{measure}.{k}"), rate)),
        );
    }
    metrics
}

fn counts(tally: &Tally, samples: &[SampleRecord]) -> BTreeMap<String, u64> {
    let mut counts: BTreeMap<String, u64> = tally
        .verdicts
        .iter()
        .map(|(name, count)| (name.clone(), *count as u64))
        .collect();
    let truncated = samples.iter().filter(|sample| sample.is_truncated).count();
    let others = [
        ("samples", samples.len()),
        (UNJUDGED, tally.failures),
        ("truncated", truncated),
    ];
    counts.extend(others.map(|(name, count)| (name.to_owned(), count as u64)));
    counts
}

/// A digest of what was sampled and how it was judged.
///
/// The words of an exception are left out: they may hold an address in memory.
fn digest(samples: &[SampleRecord]) -> Digest {
    let lines: Vec<_> = samples
        .iter()
        .map(|sample| {
            json!([
                sample.task_id,
                sample.index,
                sample.completion,
                verdict(sample)
            ])
        })
        .collect();
    Digest::of_json(&lines)
}
