//! `recode python`: which Python judges, and the libraries that it has.

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
    python::{Environment, EnvironmentError, Interpreter, Requirements, choose_interpreter},
};

const AFTER_HELP: &str = "\
Without --setup it says which Python judges each benchmark and what that Python lacks. With it, it
makes a virtual environment in $RECODE_CACHE/python, else ~/.cache/recode/python, from versions and
hashes that this program brings along. Benchmarks that need libraries then find it by themselves;
RECODE_PYTHON, `eval.python` in a spec and `recode judge --python` name another one.";

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
    /// And with torch, which is a download of 2.5 GB
    #[arg(long, requires = "setup")]
    torch: bool,
    /// The newest recorded versions, where Python is newer than 3.12
    #[arg(long, requires = "setup")]
    newest: bool,
    /// The Python to make it with
    #[arg(long, value_name = "PATH", requires = "setup")]
    python: Option<PathBuf>,
    /// Print as JSON
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
    let judges: Vec<Judge> = BENCHMARKS
        .iter()
        .map(|benchmark| Judge::of(benchmark, &cache))
        .collect();
    output::result(&if arguments.json {
        json!(judges.iter().map(Judge::json).collect::<Vec<_>>()).to_string()
    } else {
        judges
            .iter()
            .map(Judge::line)
            .collect::<Vec<_>>()
            .join("\n")
    });
    let is_missing = judges.iter().any(|judge| judge.interpreter.is_err());
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
            "install Python 3.11, or take newer versions, with which 565 instead of 570 of the 577 \
             references pass: recode python --setup --newest",
        ),
        EnvironmentError::Step { .. } => failure.hint(
            "what failed stands above; on Debian and Ubuntu, `python3-venv` makes environments. The \
             same command goes on",
        ),
        _ => failure,
    }
}

/// What judges a benchmark.
struct Judge {
    benchmark: &'static str,
    interpreter: Result<Interpreter, String>,
    libraries: std::collections::BTreeMap<String, String>,
    lacking: Vec<&'static str>,
}

impl Judge {
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
                "lacks {lacking}, whose tasks cannot pass (recode python --setup)"
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
