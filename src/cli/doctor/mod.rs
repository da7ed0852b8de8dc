//! `recode doctor`: reports what this machine offers, and whether code is judged on it.

mod cluster;
mod gpu;

use std::{collections::BTreeMap, fmt::Write as _, fs, path::PathBuf, time::Duration};

use clap::Args;
use serde::Serialize;

use gpu::Gpu;

use super::{
    exit::{Exit, Failure},
    first_steps, output, results_folder, room,
};
use crate::{
    data::Cache,
    device::Backend,
    disk::folders::free_bytes,
    eval::benchmark::all_libraries,
    model::gpu_libraries,
    sandbox::{
        Interpreter, Modules, Pool, Program, PythonError, Safeguards, Settings,
        are_time_limits_exact,
    },
};

const AFTER_HELP: &str = "\
Exit code 0: programs are judged on this machine. 3: `recode judge` and `recode run` refuse to judge, because
there is no Python or because a safeguard is off. --allow-unsandboxed overrides a missing safeguard.
The Python is $RECODE_PYTHON, or python3.";

/// Arguments of `recode doctor`.
#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub(super) struct Arguments {
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// The whole report.
#[derive(Debug, Serialize)]
struct Findings {
    version: &'static str,
    /// Whether programs are judged without `--allow-unsandboxed`.
    is_judging: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    python: Option<Python>,
    /// Why no Python was started.
    #[serde(skip_serializing_if = "Option::is_none")]
    failure: Option<String>,
    backends: Vec<Named>,
    /// What GPUs offer; empty where there is none, or no backend for one.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    gpus: Vec<Gpu>,
    /// What `run --on slurm` needs; empty where there is no Slurm.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    slurm: Vec<Named>,
    disk: Vec<Disk>,
}

/// The Python that judges.
#[derive(Debug, Serialize)]
struct Python {
    interpreter: Interpreter,
    safeguards: Safeguards,
    /// The checks that three small programs make, and why each failed, if it did.
    verdicts: Vec<Named>,
    has_exact_time_limits: bool,
    /// What is weaker on this machine than it could be.
    weaknesses: Vec<String>,
    /// The version of each library that a benchmark imports; `None` if it is missing.
    libraries: BTreeMap<&'static str, Option<String>>,
}

/// A feature, or the reason why it is missing.
#[derive(Debug, Serialize)]
struct Named {
    name: &'static str,
    missing: Option<String>,
}

/// The free space of a folder.
#[derive(Debug, Serialize)]
struct Disk {
    what: &'static str,
    folder: PathBuf,
    free_bytes: Option<u64>,
}

/// Programs that show whether verdicts are right: a check, a program, and its expected verdict.
const PROBES: &[(&str, &str, &str)] = &[
    ("an honest program passes", "assert 1 + 1 == 2", "pass"),
    (
        "exiting before the assertions is not a pass",
        "import os; os._exit(0)",
        "died",
    ),
    (
        "a program without end is stopped",
        "while True: pass",
        "timeout",
    ),
];
const PROBE_TIMEOUT: Duration = Duration::from_millis(500);

/// Runs `recode doctor`.
pub(super) fn run(arguments: &Arguments) -> Result<Exit, Failure> {
    let (python, failure) = match python() {
        Ok(python) => (Some(python), None),
        Err(error) => (
            None,
            Some(Failure::new(Exit::Missing, &error).into_message()),
        ),
    };
    let backends = backends();
    let findings = Findings {
        version: env!("CARGO_PKG_VERSION"),
        is_judging: python.as_ref().is_some_and(Python::is_judging),
        python,
        failure,
        gpus: gpu::gpus(&backends),
        backends,
        slurm: cluster::slurm(),
        disk: disk(),
    };
    output::result(&if arguments.json {
        serde_json::to_string_pretty(&findings).map_err(|error| Failure::new(Exit::Bug, &error))?
    } else {
        findings.in_words()
    });
    Ok(if findings.is_judging {
        Exit::Done
    } else {
        Exit::Missing
    })
}

/// Starts Python as judging does, but without a safeguard too.
fn python() -> Result<Python, PythonError> {
    let pool = Pool::start(&Settings {
        workers: 1,
        is_unsandboxed_allowed: true,
        ..Settings::default()
    })?;
    let mut installed = pool.modules(Modules::Scientific)?;
    installed.extend(pool.modules(Modules::Torch)?);
    let needed = all_libraries().into_iter();
    let libraries = needed.map(|name| (name, installed.get(name).cloned()));
    let mut verdicts = Vec::new();
    for (name, source, expected) in PROBES {
        let program = Program {
            source: (*source).to_owned(),
            timeout: PROBE_TIMEOUT,
            seed: 0,
        };
        let verdict = pool.run(&program)?;
        let missing = (verdict.name() != *expected).then(|| format!("it ended with `{verdict}`"));
        verdicts.push(Named { name, missing });
    }
    Ok(Python {
        interpreter: pool.interpreter().clone(),
        safeguards: pool.safeguards().clone(),
        verdicts,
        has_exact_time_limits: are_time_limits_exact(),
        weaknesses: memory_weakness(&Settings::default()).into_iter().collect(),
        libraries: libraries.collect(),
    })
}

/// Whether the programs of all workers together may use more memory than there is.
fn memory_weakness(settings: &Settings) -> Option<String> {
    let there = room::of_machine(&fs::read_to_string("/proc/meminfo").ok()?)?;
    let workers = u64::try_from(settings.workers).ok()?;
    let most = settings.memory_bytes.saturating_mul(workers);
    (most > there).then(|| {
        format!(
            "{workers} programs at a time may use {} GB of memory, and there are {} GB: if it runs out, the system ends \
             programs, which are judged once more (`--workers` sets how many)",
            most / 1_000_000_000,
            there / 1_000_000_000
        )
    })
}

fn backends() -> Vec<Named> {
    let named = |backend: Backend| Named {
        name: backend.name(),
        missing: backend.missing().map(|reason| reason.to_string()),
    };
    let mut backends: Vec<Named> = Backend::ALL.into_iter().map(named).collect();
    if Backend::Cuda.missing().is_none() {
        let libraries = gpu_libraries().into_iter();
        backends.extend(libraries.map(|(name, missing)| Named { name, missing }));
    }
    backends
}

fn disk() -> Vec<Disk> {
    let folders = [
        (
            "results",
            results_folder::of_current_folder().root().to_path_buf(),
        ),
        (
            "downloads",
            Cache::from_environment().folder().to_path_buf(),
        ),
    ];
    folders
        .into_iter()
        .map(|(what, folder)| Disk {
            what,
            free_bytes: free_bytes(&folder),
            folder,
        })
        .collect()
}

impl Python {
    fn is_judging(&self) -> bool {
        self.safeguards.is_complete() && self.verdicts.iter().all(|probe| probe.missing.is_none())
    }

    fn in_words(&self, text: &mut String) {
        text.push_str("safeguards\n");
        for safeguard in self.safeguards.all() {
            let detail = safeguard.detail.as_ref();
            let detail = detail.map_or_else(String::new, |detail| format!(" [{detail}]"));
            let purpose = format!("{}{detail}", safeguard.purpose);
            row(
                text,
                safeguard.name.as_str(),
                &purpose,
                safeguard.missing.as_deref(),
            );
        }
        for probe in &self.verdicts {
            row(text, "verdicts", probe.name, probe.missing.as_deref());
        }
        text.push_str(if self.has_exact_time_limits {
            "  time limits are the same on a busy machine as on an idle one\n"
        } else {
            "  time limits are by the clock: on a busy machine slow programs may time out\n"
        });
        for weakness in &self.weaknesses {
            let _ = writeln!(text, "  {weakness}");
        }
        let Interpreter { path, version } = &self.interpreter;
        let _ = writeln!(text, "python\n  {version} {}", path.display());
        for (name, version) in &self.libraries {
            let version = version.as_deref().unwrap_or("not installed");
            let _ = writeln!(text, "  {name} {version}");
        }
    }
}

impl Findings {
    fn in_words(&self) -> String {
        let mut text = format!("recode {}\n", self.version);
        if let Some(python) = &self.python {
            python.in_words(&mut text);
        }
        text.push_str("backends\n");
        for backend in &self.backends {
            row(&mut text, backend.name, "", backend.missing.as_deref());
        }
        if !self.gpus.is_empty() {
            text.push_str("gpus\n");
        }
        for gpu in &self.gpus {
            gpu.in_words(&mut text);
        }
        if !self.slurm.is_empty() {
            text.push_str("slurm\n");
        }
        for part in &self.slurm {
            row(&mut text, part.name, "", part.missing.as_deref());
        }
        text.push_str("disk\n");
        for disk in &self.disk {
            let free = disk.free_bytes.map_or_else(
                || "free space unknown".to_owned(),
                |bytes| format!("{} GB free", bytes / 1_000_000_000),
            );
            let _ = writeln!(text, "  {:<16}{free}, {}", disk.what, disk.folder.display());
        }
        text.push_str(&self.conclusion());
        let _ = writeln!(text, "next: {}", self.next());
        text
    }

    /// The one thing to do next.
    fn next(&self) -> String {
        let Some(python) = &self.python else {
            return "install Python 3.9 or later, or name one in RECODE_PYTHON".to_owned();
        };
        match python.safeguards.missing().next() {
            Some(off) => format!("permit `{}` on this machine, or judge on another", off.name),
            None if self.is_judging => first_steps::first_command(),
            None => "report the check above that says NO, which is a bug".to_owned(),
        }
    }

    fn conclusion(&self) -> String {
        match (&self.python, &self.failure) {
            (Some(python), _) if self.is_judging => {
                format!("judging: yes, {}\n", python.safeguards)
            }
            (Some(python), _) if !python.safeguards.is_complete() => format!(
                "judging: no, {}; --allow-unsandboxed overrides this, for programs that you trust\n",
                python.safeguards
            ),
            (Some(_), _) => "judging: no, verdicts are wrong on this machine\n".to_owned(),
            (None, failure) => format!(
                "judging: no, {}\n",
                failure.as_deref().unwrap_or("there is no Python")
            ),
        }
    }
}

fn row(text: &mut String, name: &str, purpose: &str, missing: Option<&str>) {
    let line = match missing {
        None => format!("  {name:<16}yes  {purpose}"),
        Some(reason) if purpose.is_empty() => format!("  {name:<16}NO   {reason}"),
        Some(reason) => format!("  {name:<16}NO   {purpose}: {reason}"),
    };
    text.push_str(line.trim_end());
    text.push('\n');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_programs_than_memory_is_a_weakness() {
        let settings = |memory_bytes| Settings {
            workers: 2,
            memory_bytes,
            ..Settings::default()
        };
        assert_eq!(memory_weakness(&settings(1 << 20)), None);
        let weakness = memory_weakness(&settings(1 << 60)).unwrap();
        assert!(weakness.starts_with("2 programs at a time"), "{weakness}");
    }
}
