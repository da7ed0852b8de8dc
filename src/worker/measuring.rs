//! What every measurement needs: a pool that runs tests, and the log of samples.

use std::{collections::BTreeMap, io, path::Path};

use super::{Reporter, StopFlag, WorkerError};
use crate::{
    data::Cache,
    disk::{DiskError, JsonLines},
    eval::{EvalSettings, Observer, SampleRecord, benchmark::Benchmark, judge_again},
    sandbox::{Pool, Settings, choose_interpreter},
};

/// How many programs run at the same time for one of `ranks` that share the processors.
pub(super) fn workers_of_a_rank(ranks: usize) -> usize {
    (Settings::default().workers / ranks.max(1)).max(1)
}

/// Starts the pool that runs the tests of a benchmark, as one of `ranks` that share the processors.
pub(super) fn start_pool(settings: &EvalSettings, ranks: usize) -> Result<Pool, WorkerError> {
    let libraries = settings.descriptor()?.libraries;
    let named = settings.named_python();
    let cache = Cache::from_environment();
    let pool = Pool::start(&Settings {
        workers: workers_of_a_rank(ranks),
        interpreter: choose_interpreter(named, !libraries.is_empty(), cache.folder()),
        is_unsandboxed_allowed: settings.allow_unsandboxed,
        ..Settings::default()
    })?;
    Ok(pool)
}

/// The Python, the libraries and the sandbox of a pool, for the provenance.
pub(super) fn judge(
    settings: &EvalSettings,
    pool: &Pool,
) -> Result<BTreeMap<String, String>, WorkerError> {
    let libraries = settings.descriptor()?.libraries;
    let mut judge = pool.interpreter().libraries(libraries);
    for name in libraries {
        if !judge.contains_key(*name) {
            tracing::warn!(name, "not installed: tasks that import it cannot pass");
        }
    }
    judge.insert("python".to_owned(), pool.interpreter().version.clone());
    judge.insert("sandbox".to_owned(), pool.safeguards().to_string());
    Ok(judge)
}

/// Logs a warning for each sample that could not be judged.
pub(super) fn warn_of_failures(samples: &[SampleRecord]) {
    for sample in samples {
        if let Some(error) = &sample.error {
            tracing::warn!(task = sample.task_id, error, "a sample could not be judged");
        }
    }
}

/// The samples of an earlier attempt, those among them judged that could not be judged then: what failed, such as a
/// process that the system has killed, may not fail again.
pub(super) fn judged_again(
    path: &Path,
    benchmark: &dyn Benchmark,
    samples: Vec<SampleRecord>,
    pool: &Pool,
) -> Result<Vec<SampleRecord>, DiskError> {
    if samples.iter().all(|sample| sample.judgement.is_some()) {
        return Ok(samples);
    }
    let samples = judge_again(benchmark, samples, pool);
    warn_of_failures(&samples);
    JsonLines::replace(path, &samples)?;
    Ok(samples)
}

/// Writes samples to `samples.jsonl` as they are judged, and reports the progress.
pub(super) struct SampleLog<'a> {
    lines: JsonLines,
    samples: usize,
    passed: usize,
    progress: &'a mut Reporter,
    stop: StopFlag,
    /// What makes the measurement doubtful.
    pub(super) warnings: Vec<String>,
}

impl<'a> SampleLog<'a> {
    /// A log that continues after the samples that are `done`.
    pub(super) fn new(
        lines: JsonLines,
        done: &[SampleRecord],
        progress: &'a mut Reporter,
        stop: StopFlag,
    ) -> Self {
        Self {
            lines,
            samples: done.len(),
            passed: passed(done),
            progress,
            stop,
            warnings: Vec::new(),
        }
    }
}

impl Observer for SampleLog<'_> {
    fn on_chunk(&mut self, samples: &[SampleRecord], total: usize) -> io::Result<()> {
        self.progress.check_folder().map_err(io::Error::other)?;
        for sample in samples {
            self.lines.append(sample).map_err(io::Error::other)?;
        }
        warn_of_failures(samples);
        self.samples += samples.len();
        self.passed += passed(samples);
        let message = format!("passed {}", self.passed);
        self.progress
            .report(self.samples as u64, total as u64, message);
        Ok(())
    }

    fn on_warning(&mut self, warning: String) {
        tracing::warn!("{warning}");
        self.warnings.push(warning);
    }

    fn should_stop(&self) -> bool {
        self.stop.is_set()
    }
}

fn passed(samples: &[SampleRecord]) -> usize {
    samples.iter().filter(|sample| sample.has_passed()).count()
}
