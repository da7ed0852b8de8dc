//! Mirrors an experiment into trackers: a process of Python for each, with the tracker's own client.
//!
//! The process reads the folders of jobs, and nothing depends on it: if it fails, or a tracker does not answer, there
//! is a warning. It reads files only, so that nobody waits for it to read a pipe, and it is in a process group of its
//! own, so that Ctrl-C is for the jobs. Keys are in the environment, which it inherits; no key is read, passed or
//! written here.

use std::{
    env, fs,
    fs::File,
    io,
    os::unix::process::CommandExt as _,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process_group};
use serde_json::{Value, json};

use super::output;
use crate::{
    plan::{Job, Plan},
    results::Store,
    spec::{ReportSettings, TrackerName},
};

/// What the process runs.
const PROGRAM: &str = include_str!("mirror.py");
/// How long a tracker may take for what is left, once all jobs are done.
const PATIENCE: Duration = Duration::from_mins(2);
/// The same, after a request to stop.
const SHORT_PATIENCE: Duration = Duration::from_secs(15);
/// Between two looks at a process.
const PAUSE: Duration = Duration::from_millis(50);
/// What is sent of a table.
const FILES: [&str; 4] = ["table.md", "table.csv", "table.json", "table.tex"];

/// The trackers of an experiment.
#[derive(Debug)]
pub(super) struct Mirror {
    processes: Vec<Tracker>,
    /// The folder of the table.
    table: PathBuf,
}

/// A process, and where it writes what goes wrong.
#[derive(Debug)]
struct Tracker {
    name: &'static str,
    child: Child,
    log: PathBuf,
    /// The list of the table's files, which it reads at the end of its input.
    files: PathBuf,
}

impl Mirror {
    /// Starts a process for each tracker; one that cannot be started is a warning.
    pub(super) fn start(settings: &ReportSettings, plan: &Plan, store: &Store) -> Self {
        let mut processes = Vec::new();
        for name in settings.trackers.iter().flatten() {
            match Tracker::start(*name, settings, plan, store) {
                Ok(tracker) => processes.push(tracker),
                Err(error) => output::error_line(&format!(
                    "warning: the tracker {} gets nothing: {error}",
                    name.name()
                )),
            }
        }
        Self {
            processes,
            table: store.table_dir(&plan.experiment),
        }
    }

    /// Sends the table and what is left, and waits for the trackers, but not for ever.
    pub(super) fn finish(self) {
        self.finish_within(PATIENCE);
    }

    /// As [`Self::finish`], for a person who waits at the keyboard.
    pub(super) fn stop(self) {
        self.finish_within(SHORT_PATIENCE);
    }

    fn finish_within(mut self, patience: Duration) {
        let list = json!(files(&self.table)).to_string();
        for tracker in &mut self.processes {
            if let Err(error) = fs::write(&tracker.files, &list) {
                output::error_line(&format!(
                    "warning: the tracker {} gets no table: cannot write `{}`: {error}",
                    tracker.name,
                    tracker.files.display()
                ));
            }
            drop(tracker.child.stdin.take());
        }
        let end = Instant::now() + patience;
        for mut tracker in self.processes.drain(..) {
            if let Some(problem) = tracker.end(end) {
                output::error_line(&format!(
                    "warning: the tracker {} may lack results: {problem}; `recode report` sends them again; log: {}",
                    tracker.name,
                    tracker.log.display()
                ));
            }
        }
    }
}

impl Drop for Mirror {
    /// Without [`Mirror::finish`], after a failure, a process ends alone, because its input does.
    fn drop(&mut self) {
        for tracker in &mut self.processes {
            drop(tracker.child.stdin.take());
        }
    }
}

impl Tracker {
    fn start(
        name: TrackerName,
        settings: &ReportSettings,
        plan: &Plan,
        store: &Store,
    ) -> io::Result<Self> {
        let name = name.name();
        let experiment = &plan.experiment;
        fs::create_dir_all(store.root())?;
        let folder = fs::canonicalize(store.root())?.join("trackers").join(name);
        fs::create_dir_all(&folder)?;
        let log = folder.join(format!("{experiment}.log"));
        let files = folder.join(format!("{experiment}.files.json"));
        // The list of an earlier table.
        match fs::remove_file(&files) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let about = json!({
            "tracker": name,
            "experiment": experiment,
            "folder": folder,
            "state": folder.join(format!("{experiment}.json")),
            "files": files,
            "jobs": plan.jobs.iter().map(|job| described(job, store)).collect::<Vec<_>>(),
        });
        let path = folder.join(format!("{experiment}.jobs.json"));
        fs::write(&path, about.to_string())?;
        let child = Command::new(interpreter(settings))
            .args(["-c", PROGRAM])
            .arg(&path)
            .stdin(Stdio::piped())
            .stdout(File::create(&log)?)
            .stderr(File::options().append(true).open(&log)?)
            .process_group(0)
            .spawn()?;
        Ok(Self {
            name,
            child,
            log,
            files,
        })
    }

    /// Waits until the process ends, or that time; returns what went wrong.
    fn end(&mut self, end: Instant) -> Option<String> {
        loop {
            match self.child.try_wait() {
                Ok(Some(status)) if status.success() => return None,
                Ok(Some(_)) => return Some(last_line(&self.log)),
                Ok(None) if Instant::now() < end => thread::sleep(PAUSE),
                Ok(None) => {
                    // With what it has started. It may have ended since.
                    if let Some(group) = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw)
                    {
                        let _ = kill_process_group(group, Signal::KILL);
                    }
                    let _ = self.child.wait();
                    return Some("it has not ended in time".to_owned());
                }
                Err(error) => return Some(error.to_string()),
            }
        }
    }
}

/// The Python that has the packages.
fn interpreter(settings: &ReportSettings) -> PathBuf {
    let by_environment = env::var_os("RECODE_PYTHON").filter(|value| !value.is_empty());
    let named = settings.python.as_ref().map(PathBuf::from);
    let found = named.or_else(|| by_environment.map(PathBuf::from));
    found.unwrap_or_else(|| PathBuf::from("python3"))
}

/// What a tracker shows of a job, and where its logs are.
fn described(job: &Job, store: &Store) -> Value {
    let dir = store.job_dir(&job.id);
    // A tracker runs in the same folder, but is given whole paths all the same.
    let whole = |path: &Path| std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    json!({
        "id": job.id,
        "name": job.what(),
        "settings": job.identity,
        "metrics": whole(&dir.metrics()),
        "evaluations": whole(&dir.evaluations()),
        "outcome": whole(&dir.outcome_path()),
        "provenance": whole(&dir.provenance_path()),
    })
}

/// The files of a table, with its figures.
fn files(table: &Path) -> Vec<PathBuf> {
    let whole = std::path::absolute(table).unwrap_or_else(|_| table.to_owned());
    let mut files: Vec<PathBuf> = FILES.iter().map(|name| whole.join(name)).collect();
    files.retain(|path| path.is_file());
    let figures = fs::read_dir(whole.join("figures")).into_iter().flatten();
    let mut figures: Vec<PathBuf> = figures.flatten().map(|entry| entry.path()).collect();
    figures.retain(|path| path.extension().is_some_and(|ending| ending == "svg"));
    figures.sort();
    files.extend(figures);
    files
}

/// The last line of a log, which of Python is the error.
fn last_line(log: &Path) -> String {
    const MOST: usize = 300;
    let bytes = fs::read(log).unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes);
    let lines = text.lines().map(str::trim);
    let last = lines
        .rev()
        .find(|line| !line.is_empty())
        .unwrap_or("it ended without a message");
    last.chars().take(MOST).collect()
}

#[cfg(test)]
mod tests;
