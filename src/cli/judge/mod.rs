//! `recode judge`: judges samples of a benchmark.

mod arguments;
mod result_file;
mod session;
mod summary;

use std::{
    collections::BTreeMap,
    env, fs, io,
    os::fd::AsRawFd as _,
    path::{Path, PathBuf},
    sync::{Arc, atomic::AtomicBool},
};

use serde_json::json;

use super::{
    exit::{Exit, Failure},
    out_file, output,
};
use crate::{
    disk::atomic::Target,
    eval::{
        Tally,
        benchmark::{Benchmark, Descriptor},
        read_evalplus_results, read_samples,
    },
    sandbox::{Pool, PythonError},
};
pub(super) use arguments::Arguments;
use result_file::Report;
use session::{Outcome, Session};

/// Runs `recode judge`.
#[expect(
    clippy::too_many_lines,
    reason = "the steps of a command, in their order"
)]
pub(super) fn run(arguments: &Arguments) -> Result<Exit, Failure> {
    let usage = |error: &dyn std::error::Error| Failure::new(Exit::Usage, error);
    let options = arguments.options()?;
    let data = Data::of(&arguments.data)?;
    let data_path = data.path();
    let opened = arguments.benchmark.open(&data_path, &options);
    let benchmark = opened.map_err(|error| usage(&error))?;
    if let Some(path) = &arguments.from_results {
        return from_results(arguments, path, &*benchmark);
    }
    let (Some(samples), Some(out)) = (&arguments.samples, &arguments.out) else {
        // The parser requires both.
        return Err(Failure::text(
            Exit::Usage,
            "`--samples` and `--out` are needed",
        ));
    };
    let partial = Partial::of(out, arguments)?;
    let read = read_samples(samples, &*benchmark);
    let (samples, bad_lines) = read.map_err(|error| usage(&error))?;
    let pool = Pool::start(&arguments.pool()).map_err(|error| no_python(&error))?;
    let stop = stop_on_signals()
        .map_err(|error| Failure::text(Exit::Bug, format!("cannot listen for signals: {error}")))?;

    let libraries = pool.interpreter().libraries(arguments.benchmark.libraries);
    warn_of_lacking(arguments.benchmark, &libraries);
    let session = Session {
        data: &data_path,
        partial: partial.path(),
        cache: arguments.cache(),
        options: &options,
        libraries: &libraries,
        benchmark: &*benchmark,
        samples: &samples,
        bad_lines: &bad_lines,
        pool: &pool,
    };
    let judged = session.judge(&stop)?;
    if judged.iter().any(Option::is_none) {
        let done = judged.iter().flatten().count();
        let text = format!("stopped after {done} of {} samples", samples.len());
        return Err(
            Failure::text(Exit::Stopped, text).hint("run the same command again to continue")
        );
    }
    let judged: Vec<Outcome> = judged.into_iter().flatten().collect();
    let report = Report::new(&session, &judged);
    report.write(out, arguments.benchmark.has_evalplus_results)?;
    partial.remove();
    output::result(&if arguments.json {
        report.summary().to_string()
    } else {
        summary::table(benchmark.name(), &report.tally, report.truncated)
    });
    let has_bad_lines = !bad_lines.0.is_empty();
    if has_bad_lines {
        let text = format!("warning: `--samples` has {bad_lines}; they are in no rate");
        output::error_line(&text);
    }
    Ok(if has_bad_lines || report.tally.failures > 0 {
        Exit::JobFailed
    } else {
        Exit::Done
    })
}

/// The file of a benchmark's tasks. What can be read only once, such as a pipe, is copied first: the tasks
/// and their digest are read one after the other.
enum Data<'a> {
    Given(&'a Path),
    /// A file without a name, which no crash leaves behind.
    Copied(fs::File),
}

impl<'a> Data<'a> {
    fn of(path: &'a Path) -> Result<Self, Failure> {
        let can_be_read_again = fs::metadata(path).is_ok_and(|file| file.is_file());
        if can_be_read_again || !path.exists() {
            return Ok(Self::Given(path));
        }
        let copy = || -> io::Result<Self> {
            let mut copy = tempfile::tempfile()?;
            io::copy(&mut fs::File::open(path)?, &mut copy)?;
            Ok(Self::Copied(copy))
        };
        copy().map_err(|error| {
            let path = path.display();
            Failure::text(Exit::Usage, format!("cannot read `{path}`: {error}"))
        })
    }

    fn path(&self) -> PathBuf {
        match self {
            Self::Given(path) => path.to_path_buf(),
            // Opened again, it is read from its beginning.
            Self::Copied(copy) => format!("/proc/self/fd/{}", copy.as_raw_fd()).into(),
        }
    }
}

/// The file of the verdicts that a run has reached, from which the same command continues.
enum Partial {
    /// Next to the result.
    Beside(PathBuf),
    /// The result goes to a pipe or a device, next to which nothing is to be left.
    Hidden(tempfile::TempDir),
}

impl Partial {
    /// Fails before anything is judged if the result cannot be written, or would replace an input.
    fn of(out: &Path, arguments: &Arguments) -> Result<Self, Failure> {
        let mut inputs = vec![("--data", arguments.data.as_path())];
        inputs.extend(arguments.samples.as_deref().map(|path| ("--samples", path)));
        if out_file::check("--out", out, &inputs)? == Target::Stream {
            let folder = tempfile::tempdir();
            return folder
                .map(Self::Hidden)
                .map_err(|error| out_file::cannot_write(&env::temp_dir(), &error));
        }
        let mut name = out.as_os_str().to_owned();
        name.push(".partial");
        let path = PathBuf::from(name);
        out_file::check("--out", &path, &inputs)?;
        Ok(Self::Beside(path))
    }

    fn path(&self) -> PathBuf {
        match self {
            Self::Beside(path) => path.clone(),
            Self::Hidden(folder) => folder.path().join("verdicts"),
        }
    }

    /// Removes the file, once the result is written.
    fn remove(&self) {
        let _ = fs::remove_file(self.path());
    }
}

/// Prints the rates of the verdicts in a result file of EvalPlus.
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
        summary::table(benchmark.name(), &tally, None)
    });
    Ok(Exit::Done)
}

fn warn_of_lacking(benchmark: &Descriptor, libraries: &BTreeMap<String, String>) {
    let lacking: Vec<&str> = benchmark
        .libraries
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

/// On the first signal, running programs are finished; the second one ends this process.
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
