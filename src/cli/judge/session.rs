//! Judging the samples whose verdicts are not known yet, so that a stopped run can continue.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::atomic::AtomicBool,
};

use crate::{
    cli::{
        exit::{Exit, Failure},
        output,
        progress::JudgingProgress,
    },
    data::BadLines,
    digest::Digest,
    disk::DiskError,
    eval::{
        EvalError, Judgement, Sample, Submission, Text, VerdictLog,
        benchmark::{Benchmark, Options},
        judge_each,
    },
    sandbox::Pool,
};

/// A judgement, or why the sample could not be judged.
pub(super) type Outcome = Result<Judgement, String>;

/// All inputs of a run of `recode judge`.
pub(super) struct Session<'a> {
    /// The file of the benchmark's tasks.
    pub(super) data: &'a Path,
    /// The file of the verdicts that this run has reached.
    pub(super) partial: PathBuf,
    /// The file that caches verdicts from run to run.
    pub(super) cache: Option<PathBuf>,
    pub(super) options: &'a Options,
    /// The versions of the libraries that solutions may import.
    pub(super) libraries: &'a BTreeMap<String, String>,
    pub(super) benchmark: &'a dyn Benchmark,
    pub(super) samples: &'a [Sample],
    /// The lines of the samples that could not be read.
    pub(super) bad_lines: &'a BadLines,
    pub(super) pool: &'a Pool,
}

impl Session<'_> {
    /// Judges each distinct sample whose verdict is not known. The outcome of a sample is none if
    /// `stop` was set before it was judged.
    pub(super) fn judge(&self, stop: &AtomicBool) -> Result<Vec<Option<Outcome>>, Failure> {
        let keys = self.keys()?;
        let mut verdicts = Verdicts::open(&self.partial, self.cache.as_deref(), &keys)?;
        let open = self.open_samples(&keys, &verdicts);
        let submissions: Vec<_> = open
            .iter()
            .map(|position| self.submission(&self.samples[*position]))
            .collect();
        let mut progress = JudgingProgress::new(submissions.len(), keys.len());
        let on_judged = |done: usize, result: Result<Judgement, EvalError>| {
            let has_passed = result.as_ref().is_ok_and(|judgement| judgement.passed);
            progress.add(has_passed, result.is_err());
            verdicts.add(&keys[open[done]], result);
        };
        judge_each(self.benchmark, &submissions, self.pool, stop, on_judged);
        progress.finish();
        verdicts.outcomes(&keys)
    }

    /// The positions of the samples to judge: of equal samples one, and tasks one after another.
    fn open_samples(&self, keys: &[Digest], verdicts: &Verdicts) -> Vec<usize> {
        let mut open: Vec<usize> = (0..keys.len()).collect();
        open.retain(|position| verdicts.log.find(&keys[*position]).is_none());
        open.sort_by_key(|position| (self.samples[*position].task, &keys[*position]));
        open.dedup_by_key(|position| &keys[*position]);
        open
    }

    fn submission<'b>(&'b self, sample: &'b Sample) -> Submission<'b> {
        Submission {
            task: &self.benchmark.tasks()[sample.task],
            text: Text::Solution(&sample.solution),
        }
    }

    /// For each sample, a digest of all that its verdict depends on.
    fn keys(&self) -> Result<Vec<Digest>, Failure> {
        let data = Digest::of_file(self.data).map_err(|error| {
            let path = self.data.display();
            Failure::text(Exit::Usage, format!("cannot read `{path}`: {error}"))
        })?;
        let judge = Digest::of_json(&(
            env!("CARGO_PKG_VERSION"),
            self.pool.driver(),
            self.benchmark.harness(),
            &self.pool.interpreter().version,
            self.libraries,
            self.pool.safeguards(),
            self.options.repairs.digest(),
        ));
        let options = format!("{:?}", self.options);
        let key = |sample: &Sample| {
            let name = self.benchmark.name();
            Digest::of_json(&(name, &data, &judge, &options, sample.task, &sample.solution))
        };
        Ok(self.samples.iter().map(key).collect())
    }
}

/// The verdicts that are known, and where they are kept.
struct Verdicts {
    log: VerdictLog,
    /// A cache that cannot be read or written costs time, but is not an error.
    cache: Option<VerdictLog>,
    failures: BTreeMap<Digest, String>,
    /// Whether all verdicts could be written.
    written: Result<(), DiskError>,
}

impl Verdicts {
    /// Opens the log of this run, and adds what the cache knows of `keys`.
    fn open(path: &Path, cache: Option<&Path>, keys: &[Digest]) -> Result<Self, Failure> {
        let cannot_keep = |error: DiskError| Failure::new(Exit::Usage, &error);
        let mut log = VerdictLog::open(path).map_err(cannot_keep)?;
        let cache = cache.and_then(|path| {
            let warn = |error: &DiskError| {
                let reason = Failure::new(Exit::Usage, error).into_message();
                output::error_line(&format!("warning: verdicts are not cached: {reason}"));
            };
            VerdictLog::open(path).inspect_err(warn).ok()
        });
        for key in keys {
            let known = cache.as_ref().and_then(|cache| cache.find(key));
            if let (None, Some(known)) = (log.find(key), known.cloned()) {
                log.add(key.clone(), known).map_err(cannot_keep)?;
            }
        }
        Ok(Self {
            log,
            cache,
            failures: BTreeMap::new(),
            written: Ok(()),
        })
    }

    fn add(&mut self, key: &Digest, result: Result<Judgement, EvalError>) {
        match result {
            Ok(judgement) if self.written.is_ok() => {
                if let Some(cache) = &mut self.cache
                    && judgement.is_lasting()
                {
                    let _ = cache.add(key.clone(), judgement.clone());
                }
                self.written = self.log.add(key.clone(), judgement);
            }
            Ok(_) => {}
            Err(error) => {
                let reason = Failure::new(Exit::Bug, &error).into_message();
                self.failures.insert(key.clone(), reason);
            }
        }
    }

    /// The outcomes of samples, by their keys.
    fn outcomes(self, keys: &[Digest]) -> Result<Vec<Option<Outcome>>, Failure> {
        self.written
            .map_err(|error| Failure::new(Exit::Usage, &error))?;
        let outcome = |key| match (self.log.find(key), self.failures.get(key)) {
            (Some(judgement), _) => Some(Ok(judgement.clone())),
            (None, Some(failure)) => Some(Err(failure.clone())),
            (None, None) => None,
        };
        Ok(keys.iter().map(outcome).collect())
    }
}
