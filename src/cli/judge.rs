//! `recode judge`: judges samples of a benchmark.

use std::{
    collections::BTreeMap,
    fs, io,
    io::Write as _,
    num::NonZeroUsize,
    path::{Path, PathBuf},
    sync::{Arc, atomic::AtomicBool},
    time::Duration,
};

use clap::{Args, builder::PossibleValuesParser};
use serde::Serialize;
use serde_json::{Value, json};

use crate::{
    data::Cache,
    digest::Digest,
    disk::Timestamp,
    eval::{
        Judgement, Sample, Tally, VerdictLog,
        benchmark::{self, Benchmark, Flavour, Options, Repairs},
        evalplus_results, judge_samples, read_evalplus_results, read_samples,
    },
    sandbox::{Pool, PythonError, Settings, choose_interpreter},
};

use super::{
    exit::{Exit, Failure},
    judge_progress::Progress,
    output,
};

const AFTER_HELP: &str = "\
A line in:   {\"task_id\": \"HumanEval/0\", \"completion\": \"    return ...\"}
         or  {\"task_id\": \"HumanEval/0\", \"solution\": \"def has_close_elements(...): ...\"}
A completion gets the task's prompt before it. Both files may be compressed (.gz).

The file of --out (JSON) has the summary and, in the order of the samples, of each one:
  passed    whether it counts
  verdict   pass, assertion, error, timeout, died (ended without a word) or forged; with the
            exception and its message
  tests     a letter a test: P pass, A assertion, E error, T timeout, D died
  failure   in place of these: why it could not be judged. It counts as not passed
For humaneval_plus it is the result file of EvalPlus, which --samples takes as well.

Stopped or crashed, the same command goes on where it was: what is judged lies in OUT.partial.
Verdicts are kept in $RECODE_CACHE/verdicts from run to run, by solution, tests, limits and judge, but
for timeouts and deaths, which a busy machine can bring about.
Programs run in a sandbox without network, processes or files of this system; where the system
lacks a safeguard nothing runs unless you say --allow-unsandboxed. `recode python` says which Python
judges.";

/// Arguments of `recode judge`.
#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a flag of the command line"
)]
pub(super) struct Arguments {
    /// The benchmark
    #[arg(long, value_parser = PossibleValuesParser::new(benchmark::names()))]
    benchmark: String,
    /// The benchmark's tasks
    #[arg(long)]
    data: PathBuf,
    /// The samples: JSON lines
    #[arg(long, required_unless_present = "from_results")]
    samples: Option<PathBuf>,
    /// Where the verdicts go
    #[arg(long, required_unless_present = "from_results")]
    out: Option<PathBuf>,
    /// Run nothing, and print what this result file of EvalPlus holds
    #[arg(long, value_name = "FILE", conflicts_with_all = ["samples", "out"])]
    from_results: Option<PathBuf>,
    /// Programs that run side by side; all processors if not given
    #[arg(long)]
    workers: Option<NonZeroUsize>,
    /// Seconds a test, in place of the benchmark's own limit
    #[arg(long)]
    timeout: Option<f64>,
    /// HumanEval and HumanEval+: compare values in another process than the one that made them
    #[arg(long)]
    strict: bool,
    /// HumanEval+: whose rules; version 0.3.1 fails every solution of HumanEval/32
    #[arg(long, value_name = "VERSION", default_value = Flavour::Tip.name(), value_parser = PossibleValuesParser::new(Flavour::ALL.iter().map(|flavour| flavour.name())))]
    evalplus: String,
    /// CodeUpdateArena: repairs of its data; `paper` is what the paper says it has mended
    #[arg(long, value_name = "NAME", default_value = Repairs::None.name(), value_parser = PossibleValuesParser::new(Repairs::ALL.iter().map(|repairs| repairs.name())))]
    repairs: String,
    /// The Python that judges [default: see `recode python`]
    #[arg(long, value_name = "PATH")]
    python: Option<PathBuf>,
    /// Judge everything anew, whatever was judged before
    #[arg(long)]
    no_cache: bool,
    /// Run programs even where this system lacks a safeguard
    #[arg(long)]
    allow_unsandboxed: bool,
    /// Print the summary as JSON
    #[arg(long)]
    json: bool,
}

/// Runs `recode judge`.
pub(super) fn run(arguments: &Arguments) -> Result<Exit, Failure> {
    let usage = |error: &dyn std::error::Error| Failure::new(Exit::Usage, error);
    let options = arguments.options()?;
    let benchmark = benchmark::open_with(&arguments.benchmark, &arguments.data, &options)
        .map_err(|error| usage(&error))?;
    if let Some(path) = &arguments.from_results {
        return from_results(arguments, path, &*benchmark);
    }
    let (Some(samples), Some(out)) = (&arguments.samples, &arguments.out) else {
        // The parser has asked for both.
        return Err(Failure::text(
            Exit::Usage,
            "`--samples` and `--out` are needed",
        ));
    };
    let samples = read_samples(samples, &*benchmark).map_err(|error| usage(&error))?;
    let pool = Pool::start(&arguments.pool()).map_err(|error| no_python(&error))?;
    let stop = stop_on_signals()
        .map_err(|error| Failure::text(Exit::Bug, format!("cannot listen for signals: {error}")))?;

    let libraries = pool
        .interpreter()
        .libraries(benchmark::libraries(&arguments.benchmark));
    warn_of_lacking(&arguments.benchmark, &libraries);
    let run = Run {
        arguments,
        out,
        libraries,
        benchmark: &*benchmark,
        samples: &samples,
        pool: &pool,
    };
    let judged = run.judge(&options, &stop)?;
    if judged.iter().any(Option::is_none) {
        let done = judged.iter().flatten().count();
        let text = format!("stopped after {done} of {} samples", samples.len());
        return Err(Failure::text(Exit::Stopped, text).hint("the same command goes on from here"));
    }
    run.finish(&judged.into_iter().flatten().collect::<Vec<_>>())
}

/// Prints the rates of verdicts that EvalPlus has reached.
fn from_results(
    arguments: &Arguments,
    path: &Path,
    benchmark: &dyn Benchmark,
) -> Result<Exit, Failure> {
    let judged = read_evalplus_results(path, benchmark)
        .map_err(|error| Failure::new(Exit::Usage, &error))?;
    let pairs: Vec<_> = judged
        .iter()
        .map(|(sample, judgement)| (sample.task, Some(judgement)))
        .collect();
    let tally = Tally::new(benchmark.tasks().len(), &pairs);
    output::result(&if arguments.json {
        json!({ "benchmark": benchmark.name(), "summary": tally }).to_string()
    } else {
        table(benchmark.name(), &tally, None)
    });
    Ok(Exit::Done)
}

impl Arguments {
    fn options(&self) -> Result<Options, Failure> {
        let timeout = self.timeout.map(|seconds| {
            Duration::try_from_secs_f64(seconds)
                .ok()
                .filter(|timeout| !timeout.is_zero())
        });
        if self.strict && !benchmark::has_strict_mode(&self.benchmark) {
            let name = &self.benchmark;
            let text =
                format!("`{name}` has no strict mode: its tests need the solution beside them");
            return Err(Failure::text(Exit::Usage, text));
        }
        match timeout {
            Some(None) => Err(Failure::text(
                Exit::Usage,
                "`--timeout` takes a number of seconds above 0, such as 3 or 0.5",
            )),
            Some(timeout) => Ok(self.options_with(timeout)),
            None => Ok(self.options_with(None)),
        }
    }

    fn options_with(&self, timeout: Option<Duration>) -> Options {
        let named = Flavour::ALL
            .iter()
            .find(|flavour| flavour.name() == self.evalplus);
        let repairs = Repairs::ALL
            .iter()
            .find(|repairs| repairs.name() == self.repairs);
        Options {
            timeout,
            is_strict: self.strict,
            flavour: named.copied().unwrap_or_default(),
            repairs: repairs.copied().unwrap_or_default(),
        }
    }

    fn pool(&self) -> Settings {
        let defaults = Settings::default();
        let needs_libraries = !benchmark::libraries(&self.benchmark).is_empty();
        let cache = Cache::from_environment();
        let named = self.python.as_deref();
        Settings {
            interpreter: choose_interpreter(named, needs_libraries, cache.folder()),
            workers: self.workers.map_or(defaults.workers, NonZeroUsize::get),
            is_unsandboxed_allowed: self.allow_unsandboxed,
            ..defaults
        }
    }

    /// Where verdicts stay from run to run.
    fn cache(&self) -> Option<PathBuf> {
        let cache = Cache::from_environment();
        let folder = cache.folder().join("verdicts");
        let file = folder.join(format!("{}.jsonl", self.benchmark));
        (!self.no_cache && fs::create_dir_all(&folder).is_ok()).then_some(file)
    }
}

fn warn_of_lacking(benchmark: &str, libraries: &BTreeMap<String, String>) {
    let lacking: Vec<&str> = benchmark::libraries(benchmark)
        .iter()
        .filter(|name| !libraries.contains_key(**name))
        .copied()
        .collect();
    if !lacking.is_empty() {
        output::error_line(&format!(
            "warning: this Python lacks {}; tasks that import them cannot pass (recode python --setup)",
            lacking.join(", ")
        ));
    }
}

fn no_python(error: &PythonError) -> Failure {
    let failure = Failure::new(Exit::Missing, error);
    match error {
        PythonError::Start { .. } | PythonError::Version { .. } => failure.hint(
            "install Python 3.9 or newer, or name one: RECODE_PYTHON=/path/to/python3 recode judge …",
        ),
        PythonError::Unprotected { .. } => failure.hint(
            "use a Linux that allows user namespaces, or run with --allow-unsandboxed if you trust \
             the samples",
        ),
        _ => failure,
    }
}

/// The first signal lets what runs end, the second one ends the program.
fn stop_on_signals() -> io::Result<Arc<AtomicBool>> {
    use signal_hook::consts::{SIGINT, SIGTERM};
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM] {
        let code = i32::from(Exit::Stopped.code());
        signal_hook::flag::register_conditional_shutdown(signal, code, Arc::clone(&stop))?;
        signal_hook::flag::register(signal, Arc::clone(&stop))?;
    }
    Ok(stop)
}

/// How a sample ended: judged, or why it could not be.
type Outcome = Result<Judgement, String>;

struct Run<'a> {
    arguments: &'a Arguments,
    /// Where the verdicts go.
    out: &'a Path,
    /// The versions of the libraries that solutions may import.
    libraries: BTreeMap<String, String>,
    benchmark: &'a dyn Benchmark,
    samples: &'a [Sample],
    pool: &'a Pool,
}

impl Run<'_> {
    /// What is judged so far.
    fn partial(&self) -> PathBuf {
        let mut name = self.out.as_os_str().to_owned();
        name.push(".partial");
        name.into()
    }

    /// Judges what is not judged yet, equal samples once; nothing is where it was stopped.
    fn judge(&self, options: &Options, stop: &AtomicBool) -> Result<Vec<Option<Outcome>>, Failure> {
        let partial = self.partial();
        let cannot_keep = |error: io::Error| cannot_write(&partial, &error);
        let mut log = VerdictLog::open(&partial).map_err(cannot_keep)?;
        // A cache that cannot be read or written costs time and nothing else.
        let mut cache = self
            .arguments
            .cache()
            .and_then(|path| VerdictLog::open(&path).ok());
        let keys = self.keys(options)?;
        for key in &keys {
            let known = cache.as_ref().and_then(|cache| cache.find(key));
            if let (None, Some(known)) = (log.find(key), known.cloned()) {
                log.add(key.clone(), known).map_err(cannot_keep)?;
            }
        }
        let mut open: Vec<usize> = (0..keys.len()).collect();
        open.retain(|position| log.find(&keys[*position]).is_none());
        open.sort_by_key(|position| (self.samples[*position].task, &keys[*position]));
        open.dedup_by_key(|position| &keys[*position]);

        let todo: Vec<&Sample> = open
            .iter()
            .map(|position| &self.samples[*position])
            .collect();
        let mut progress = Progress::new(todo.len(), keys.len());
        let mut failures = BTreeMap::new();
        let mut kept = Ok(());
        judge_samples(self.benchmark, &todo, self.pool, stop, |done, result| {
            let key = &keys[open[done]];
            progress.add(
                result.as_ref().is_ok_and(|judgement| judgement.passed),
                result.is_err(),
            );
            match result {
                Ok(judgement) if kept.is_ok() => {
                    if let Some(cache) = &mut cache
                        && judgement.is_lasting()
                    {
                        let _ = cache.add(key.clone(), judgement.clone());
                    }
                    kept = log.add(key.clone(), judgement);
                }
                Ok(_) => {}
                Err(error) => {
                    failures.insert(key.clone(), Failure::new(Exit::Bug, &error).into_message());
                }
            }
        });
        progress.finish();
        kept.map_err(|error| cannot_write(&partial, &error))?;
        Ok(keys
            .iter()
            .map(|key| match (log.find(key), failures.get(key)) {
                (Some(judgement), _) => Some(Ok(judgement.clone())),
                (None, Some(failure)) => Some(Err(failure.clone())),
                (None, None) => None,
            })
            .collect())
    }

    /// What a verdict depends on.
    fn keys(&self, options: &Options) -> Result<Vec<Digest>, Failure> {
        let data = Digest::of_file(&self.arguments.data).map_err(|error| {
            let path = self.arguments.data.display();
            Failure::text(Exit::Usage, format!("cannot read `{path}`: {error}"))
        })?;
        let judge = Digest::of_json(&(
            env!("CARGO_PKG_VERSION"),
            self.pool.driver(),
            self.benchmark.harness(),
            &self.pool.interpreter().version,
            &self.libraries,
            self.pool.safeguards(),
            options.repairs.digest(),
        ));
        let options = format!("{options:?}");
        let key = |sample: &Sample| {
            let name = self.benchmark.name();
            Digest::of_json(&(name, &data, &judge, &options, sample.task, &sample.solution))
        };
        Ok(self.samples.iter().map(key).collect())
    }

    fn finish(&self, judged: &[Outcome]) -> Result<Exit, Failure> {
        let pairs: Vec<_> = self
            .samples
            .iter()
            .zip(judged)
            .map(|(sample, outcome)| (sample.task, outcome.as_ref().ok()))
            .collect();
        let tally = Tally::new(self.benchmark.tasks().len(), &pairs);
        let truncated = self.truncated(judged);
        let summary = json!({
            "benchmark": self.benchmark.name(),
            "python": self.pool.interpreter().version,
            "libraries": self.libraries,
            "sandbox": self.pool.safeguards().to_string(),
            "summary": tally,
            "truncated": truncated,
        });
        let file = if self.benchmark.name() == "humaneval_plus" {
            self.evalplus_file(&summary, &tally, judged)
        } else {
            self.file(summary.clone(), judged)
        };
        write_atomically(self.out, &file)?;
        let _ = fs::remove_file(self.partial());
        output::result(&if self.arguments.json {
            summary.to_string()
        } else {
            table(self.benchmark.name(), &tally, truncated)
        });
        Ok(if tally.failures > 0 {
            Exit::JobFailed
        } else {
            Exit::Done
        })
    }

    /// What the samples say of having been cut off; none if none says anything.
    fn truncated(&self, judged: &[Outcome]) -> Option<Truncated> {
        let mut truncated = Truncated::default();
        for (sample, outcome) in self.samples.iter().zip(judged) {
            truncated.told += usize::from(sample.is_truncated.is_some());
            if sample.is_truncated == Some(true) {
                truncated.samples += 1;
                let passed = outcome.as_ref().is_ok_and(|judgement| judgement.passed);
                truncated.passed += usize::from(passed);
            }
        }
        (truncated.told > 0).then_some(truncated)
    }

    /// EvalPlus's own result file, with ours beside it.
    fn evalplus_file(&self, summary: &Value, tally: &Tally, judged: &[Outcome]) -> Value {
        let outcomes = judged.iter().map(|outcome| outcome.as_ref().ok());
        let pairs: Vec<_> = self.samples.iter().zip(outcomes).collect();
        let hash = Digest::of_file(&self.arguments.data);
        let hash = hash.as_ref().map_or("", Digest::as_str);
        let date = Timestamp::now().date_and_time();
        let mut file = evalplus_results(self.benchmark, &pairs, tally, (&date, hash));
        file["recode"] = summary.clone();
        file
    }

    fn file(&self, mut file: Value, judged: &[Outcome]) -> Value {
        let samples: Vec<Value> = self
            .samples
            .iter()
            .zip(judged)
            .map(|(sample, outcome)| {
                let task = &self.benchmark.tasks()[sample.task].id;
                let mut line = match outcome {
                    Ok(judgement) => {
                        let mut line = json!(judgement);
                        flatten_verdict(&mut line);
                        line
                    }
                    Err(failure) => json!({ "passed": false, "failure": failure }),
                };
                line["task_id"] = json!(task);
                if let Some(is_truncated) = sample.is_truncated {
                    line["is_truncated"] = json!(is_truncated);
                }
                line
            })
            .collect();
        file["samples"] = json!(samples);
        file
    }
}

/// Puts the verdict's name where a reader looks for it, and its details beside it.
fn flatten_verdict(line: &mut Value) {
    let Some(Value::Object(verdict)) = line.get_mut("verdict").map(Value::take) else {
        return;
    };
    for (key, value) in verdict {
        line[key] = value;
    }
}

/// Samples that were cut off at the model's limit: another reason to fail than a wrong answer.
#[derive(Clone, Copy, Debug, Default, Serialize)]
struct Truncated {
    /// Samples that say whether they were.
    told: usize,
    samples: usize,
    passed: usize,
}

fn table(name: &str, tally: &Tally, truncated: Option<Truncated>) -> String {
    let mut lines = vec![format!(
        "{name}: {} samples of {} of {} tasks",
        tally.samples, tally.tasks_with_samples, tally.tasks
    )];
    let rates = |rates: &BTreeMap<String, f64>, prefix: &str| {
        let mut rates: Vec<_> = rates.iter().collect();
        rates.sort_by_key(|(name, _)| (name.len(), name.as_str().to_owned()));
        rates
            .iter()
            .map(|(name, rate)| {
                format!(
                    "  {:<16}{:6.2} %",
                    format!("{prefix}{name}"),
                    **rate * 100.0
                )
            })
            .collect::<Vec<_>>()
    };
    lines.extend(rates(&tally.pass_at_k, ""));
    for (measure, values) in &tally.measures {
        lines.extend(rates(values, &format!("{measure} ")));
    }
    for (verdict, count) in &tally.verdicts {
        lines.push(format!("  {verdict:<16}{count:6}"));
    }
    if tally.failures > 0 {
        lines.push(format!("  {:<16}{:6}", "not judged", tally.failures));
    }
    if let Some(Truncated {
        told,
        samples,
        passed,
    }) = truncated
    {
        let of = format!("of {told} that tell; {passed} passed all the same");
        lines.push(format!("  {:<16}{samples:6} {of}", "truncated"));
    }
    lines.join("\n")
}

fn write_atomically(path: &Path, value: &Value) -> Result<(), Failure> {
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    let write = || -> io::Result<()> {
        let mut file = tempfile::NamedTempFile::new_in(folder.unwrap_or(Path::new(".")))?;
        serde_json::to_writer_pretty(io::BufWriter::new(&mut file), value)?;
        file.write_all(b"\n")?;
        file.as_file().sync_all()?;
        file.persist(path)?;
        Ok(())
    };
    write().map_err(|error| cannot_write(path, &error))
}

fn cannot_write(path: &Path, error: &io::Error) -> Failure {
    Failure::text(
        Exit::Usage,
        format!("cannot write `{}`: {error}", path.display()),
    )
}
