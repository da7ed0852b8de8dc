//! The arguments of `recode judge`, and the settings that follow from them.

use std::{fs, num::NonZeroUsize, path::PathBuf, thread, time::Duration};

use clap::{
    Args,
    builder::{PossibleValue, PossibleValuesParser, TypedValueParser},
};

use crate::{
    cli::{
        exit::{Exit, Failure},
        output,
        spelled_values::SpelledValues,
    },
    data::Cache,
    eval::benchmark::{self, BENCHMARKS, Choice, Descriptor, Flavour, Options, Repairs},
    sandbox::{Settings, choose_interpreter},
};

const AFTER_HELP: &str = "\
A line of --samples:
  {\"task_id\": \"HumanEval/0\", \"completion\": \"    return ...\"}
or
  {\"task_id\": \"HumanEval/0\", \"solution\": \"def has_close_elements(...): ...\"}
A completion is appended to the task's prompt. --samples and --data may be compressed (.gz).

--out is a JSON file with the summary and, for each sample in the order of --samples:
  passed    whether the sample counts as solved
  verdict   pass, assertion, error, timeout, died (the program ended without a result) or forged;
            with the exception and its message
  tests     a letter for each test: P pass, A assertion, E error, T timeout, D died
  failure   in place of verdict and tests: why the sample could not be judged. It counts as not solved
For humaneval_plus it is a result file of EvalPlus. --samples accepts such files too.
A line of --samples that cannot be read stops no other: it is named at the end, and the exit code is 1.

If the command is stopped or crashes, run it again: it continues from OUT.partial.
Verdicts are cached in $RECODE_CACHE/verdicts by solution, tests, limits and interpreter, except
timeouts and crashes, which a busy machine can cause.
Programs run in a sandbox without network, processes or files of this system. If the system lacks a
safeguard, nothing runs unless you pass --allow-unsandboxed. `recode python` prints which Python runs
the tests.";

/// Arguments of `recode judge`.
#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a flag of the command line"
)]
pub(in crate::cli) struct Arguments {
    /// The benchmark
    #[arg(long, value_parser = benchmark_parser())]
    pub(super) benchmark: &'static Descriptor,
    /// The file with the benchmark's tasks
    #[arg(long)]
    pub(super) data: PathBuf,
    /// The samples: JSON lines
    #[arg(long, required_unless_present = "from_results")]
    pub(super) samples: Option<PathBuf>,
    /// The file that the verdicts are written to
    #[arg(long, required_unless_present = "from_results")]
    pub(super) out: Option<PathBuf>,
    /// Print the rates in this result file of EvalPlus; run nothing
    #[arg(long, value_name = "FILE", conflicts_with_all = ["samples", "out"])]
    pub(super) from_results: Option<PathBuf>,
    /// How many programs run at the same time [default: the number of processors]
    #[arg(long)]
    workers: Option<NonZeroUsize>,
    /// The time limit of each test in seconds [default: the benchmark's own]
    #[arg(long)]
    timeout: Option<f64>,
    /// HumanEval and HumanEval+: run the tests in the solution's process, as published; a solution can then forge a pass
    #[arg(long)]
    in_process: bool,
    /// HumanEval+: the version of EvalPlus whose rules apply; 0.3.1 fails every solution of HumanEval/32
    #[arg(long, value_name = "VERSION", default_value = Flavour::Tip.name(), value_parser = flavour_parser())]
    evalplus: Flavour,
    /// CodeUpdateArena: repairs of its data; `paper` repairs what the paper says it repaired
    #[arg(long, value_name = "NAME", default_value = Repairs::None.name(), value_parser = repairs_parser())]
    repairs: Repairs,
    /// The Python that runs the tests [default: see `recode python`]
    #[arg(long, value_name = "PATH")]
    python: Option<PathBuf>,
    /// Judge every sample, even if its verdict is cached
    #[arg(long)]
    no_cache: bool,
    /// Run programs even if this system lacks a safeguard
    #[arg(long)]
    allow_unsandboxed: bool,
    /// Print the summary as JSON
    #[arg(long)]
    pub(super) json: bool,
}

fn benchmark_parser() -> impl TypedValueParser<Value = &'static Descriptor> {
    // The papers write `HumanEval+`.
    let value = |one: &Descriptor| (one.name, PossibleValue::new(one.name).help(one.summary));
    SpelledValues::new(BENCHMARKS.iter().map(value)).try_map(|name| benchmark::find(&name))
}

fn flavour_parser() -> impl TypedValueParser<Value = Flavour> {
    let names = Flavour::ALL.iter().map(|flavour| flavour.name());
    PossibleValuesParser::new(names).map(|name| {
        let named = Flavour::ALL.iter().find(|flavour| flavour.name() == name);
        named.copied().unwrap_or_default()
    })
}

fn repairs_parser() -> impl TypedValueParser<Value = Repairs> {
    let names = Repairs::ALL.iter().map(|repairs| repairs.name());
    PossibleValuesParser::new(names).map(|name| {
        let named = Repairs::ALL.iter().find(|repairs| repairs.name() == name);
        named.copied().unwrap_or_default()
    })
}

impl Arguments {
    /// The options with which the benchmark is opened.
    pub(super) fn options(&self) -> Result<Options, Failure> {
        if self.in_process && !self.benchmark.reads(Choice::InProcess) {
            let name = self.benchmark.name;
            let text = format!("`--in-process` is always on for `{name}`");
            return Err(Failure::text(Exit::Usage, text));
        }
        Ok(Options {
            timeout: self.timeout.map(seconds).transpose()?,
            is_in_process: self.in_process,
            flavour: self.evalplus,
            repairs: self.repairs,
        })
    }

    /// The settings of the pool that runs the tests.
    pub(super) fn pool(&self) -> Settings {
        let defaults = Settings::default();
        let needs_libraries = !self.benchmark.libraries.is_empty();
        let cache = Cache::from_environment();
        let named = self.python.as_deref();
        Settings {
            interpreter: choose_interpreter(named, needs_libraries, cache.folder()),
            workers: self
                .workers
                .map_or(defaults.workers, |asked| most_workers(asked.get())),
            is_unsandboxed_allowed: self.allow_unsandboxed,
            ..defaults
        }
    }

    /// The file that caches verdicts; none if there is no cache.
    pub(super) fn cache(&self) -> Option<PathBuf> {
        let folder = Cache::from_environment().folder().join("verdicts");
        let file = folder.join(format!("{}.jsonl", self.benchmark.name));
        (!self.no_cache && fs::create_dir_all(&folder).is_ok()).then_some(file)
    }
}

/// The workers that run, of those that were asked for. More than the machine has processors would only
/// wait for one another, and a thousand of them bring the machine to a halt.
fn most_workers(asked: usize) -> usize {
    let processors = thread::available_parallelism().map_or(1, NonZeroUsize::get);
    if asked > processors {
        let text = format!(
            "warning: `--workers {asked}` is more than this machine has processors; {} run",
            output::count(processors, "worker")
        );
        output::error_line(&text);
    }
    asked.min(processors)
}

/// A time limit of the command line.
fn seconds(seconds: f64) -> Result<Duration, Failure> {
    let limit = Duration::try_from_secs_f64(seconds).ok();
    limit.filter(|limit| !limit.is_zero()).ok_or_else(|| {
        Failure::text(
            Exit::Usage,
            "`--timeout` takes a number of seconds above 0, such as 3 or 0.5",
        )
    })
}
