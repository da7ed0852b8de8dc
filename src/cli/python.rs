//! `recode python`: the Python that judges each benchmark, and its libraries.

use std::path::PathBuf;

use clap::Args;
use serde_json::json;

use super::{
    exit::{Exit, Failure},
    output,
};
use crate::{
    data::Cache,
    eval::benchmark::{BENCHMARKS, Descriptor},
    sandbox::{Environment, EnvironmentError, Interpreter, Requirements, choose_interpreter},
};

const AFTER_HELP: &str = "\
Without --setup, prints which Python judges each benchmark and which libraries it lacks. With --setup, first
makes a virtual environment in $RECODE_CACHE/python, or ~/.cache/recode/python, with pinned versions and
hashes. Benchmarks that need libraries use it from then on. RECODE_PYTHON, `eval.python` in a spec and
`recode judge --python` choose another Python.";

/// Arguments of `recode python`.
#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a flag of the command line"
)]
pub(super) struct Arguments {
    /// Make a virtual environment with the libraries that CodeUpdateArena's programs import
    #[arg(long)]
    setup: bool,
    /// Include torch, a download of 2.5 GB
    #[arg(long, requires = "setup")]
    torch: bool,
    /// Install the newest recorded versions, for a Python newer than 3.12
    #[arg(long, requires = "setup")]
    newest: bool,
    /// The Python to make the environment with
    #[arg(long, value_name = "PATH", requires = "setup")]
    python: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Runs `recode python`.
pub(super) fn run(arguments: &Arguments) -> Result<Exit, Failure> {
    let cache = Cache::from_environment();
    if arguments.setup {
        let requirements = if arguments.newest {
            Requirements::Newest
        } else {
            Requirements::Pinned
        };
        let base = match &arguments.python {
            Some(path) => Interpreter::find(path).map_err(EnvironmentError::Interpreter),
            None => requirements.base(),
        };
        let environment = Environment::at(cache.folder(), requirements);
        base.and_then(|base| environment.make(&base, arguments.torch))
            .map_err(|error| failure(&error))?;
    }
    let found: Vec<BenchmarkPython> = BENCHMARKS
        .iter()
        .map(|benchmark| BenchmarkPython::of(benchmark, &cache))
        .collect();
    output::result(&if arguments.json {
        json!(found.iter().map(BenchmarkPython::json).collect::<Vec<_>>()).to_string()
    } else {
        found
            .iter()
            .map(BenchmarkPython::line)
            .collect::<Vec<_>>()
            .join("\n")
    });
    let is_missing = found.iter().any(|one| one.interpreter.is_err());
    Ok(if is_missing {
        Exit::Missing
    } else {
        Exit::Done
    })
}

fn failure(error: &EnvironmentError) -> Failure {
    let failure = Failure::new(Exit::Missing, error);
    match error {
        EnvironmentError::Unsuited { name: "pinned", .. } => failure.hint(
            "install Python 3.11, or use newer versions, with which 565 instead of 570 of the 577 \
             references pass: recode python --setup --newest",
        ),
        EnvironmentError::Step { .. } => failure.hint(
            "the error is printed above; on Debian and Ubuntu, `python3-venv` is needed. The same \
             command continues",
        ),
        _ => failure,
    }
}

/// The Python that judges a benchmark.
struct BenchmarkPython {
    benchmark: &'static str,
    interpreter: Result<Interpreter, String>,
    libraries: std::collections::BTreeMap<String, String>,
    lacking: Vec<&'static str>,
}

impl BenchmarkPython {
    fn of(benchmark: &Descriptor, cache: &Cache) -> Self {
        let needed = benchmark.libraries;
        let path = choose_interpreter(None, !needed.is_empty(), cache.folder());
        let interpreter = Interpreter::find(&path).map_err(|error| error.to_string());
        let libraries = interpreter
            .as_ref()
            .map(|interpreter| interpreter.libraries(needed))
            .unwrap_or_default();
        let is_lacking = |name: &&&str| !libraries.contains_key(**name);
        let lacking = needed.iter().filter(is_lacking).copied().collect();
        Self {
            benchmark: benchmark.name,
            interpreter,
            libraries,
            lacking,
        }
    }

    fn line(&self) -> String {
        let name = self.benchmark;
        let interpreter = match &self.interpreter {
            Ok(interpreter) => interpreter,
            Err(reason) => return format!("{name:<18} cannot be judged: {reason}"),
        };
        let (version, path) = (&interpreter.version, interpreter.path.display());
        let mut parts = vec![format!("{name:<18} Python {version} ({path})")];
        if !self.libraries.is_empty() {
            let versions = self.libraries.iter();
            let versions = versions.map(|(name, version)| format!("{name} {version}"));
            parts.push(versions.collect::<Vec<_>>().join(", "));
        }
        if !self.lacking.is_empty() {
            let lacking = self.lacking.join(", ");
            parts.push(format!(
                "lacks {lacking}, so tasks that import them cannot pass (recode python --setup)"
            ));
        }
        parts.join("; ")
    }

    fn json(&self) -> serde_json::Value {
        json!({
            "benchmark": self.benchmark,
            "interpreter": self.interpreter.as_ref().ok(),
            "problem": self.interpreter.as_ref().err(),
            "libraries": self.libraries,
            "lacking": self.lacking,
        })
    }
}
