//! Mirrors an experiment into trackers: a process of Python for each, with the tracker's own client.
//!
//! The process reads the folders of jobs, and nothing depends on it: if it fails, or a tracker does not answer, there
//! is a warning. Keys are in the environment, which it inherits; no key is read, passed or written here.

use std::{
    env, fs,
    fs::File,
    io::{self, Write as _},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

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
        let line = json!({ "files": files(&self.table) }).to_string() + "\n";
        for tracker in &mut self.processes {
            if let Some(mut input) = tracker.child.stdin.take() {
                // A process that has ended says why in its log.
                let _ = input.write_all(line.as_bytes());
            }
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
        let about = json!({
            "tracker": name,
            "experiment": experiment,
            "folder": folder,
            "state": folder.join(format!("{experiment}.json")),
            "jobs": plan.jobs.iter().map(|job| described(job, store)).collect::<Vec<_>>(),
        });
        let path = folder.join(format!("{experiment}.jobs.json"));
        fs::write(&path, about.to_string())?;
        let mut child = Command::new(interpreter(settings))
            .args(["-c", PROGRAM])
            .stdin(Stdio::piped())
            .stdout(File::create(&log)?)
            .stderr(File::options().append(true).open(&log)?)
            .spawn()?;
        if let Some(input) = &mut child.stdin {
            // As in `finish`. It is short enough for a pipe that nobody reads.
            let _ = input.write_all(format!("{}\n", json!(path)).as_bytes());
        }
        Ok(Self { name, child, log })
    }

    /// Waits until the process ends, or that time; returns what went wrong.
    fn end(&mut self, end: Instant) -> Option<String> {
        loop {
            match self.child.try_wait() {
                Ok(Some(status)) if status.success() => return None,
                Ok(Some(_)) => return Some(last_line(&self.log)),
                Ok(None) if Instant::now() < end => thread::sleep(PAUSE),
                Ok(None) => {
                    // It may have ended since.
                    let _ = self.child.kill();
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
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;
    use crate::plan::tests::fixture::plan_of;

    fn settings(python: &Path) -> ReportSettings {
        ReportSettings {
            trackers: Some(vec![TrackerName::Wandb]),
            python: Some(python.to_str().unwrap().to_owned()),
        }
    }

    fn script(folder: &Path, text: &str) -> PathBuf {
        let path = folder.join("python");
        fs::write(&path, format!("#!/bin/sh\n{text}\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        path
    }

    #[test]
    fn a_tracker_that_fails_hangs_or_is_not_there_is_only_worth_a_warning() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::new(folder.path().join("results"));
        let plan = plan_of("name = \"t\"\n");
        let log = folder.path().join("results/trackers/wandb/t.log");
        let begin = Instant::now();

        let python = script(folder.path(), "echo no key >&2; exit 1");
        Mirror::start(&settings(&python), &plan, &store).finish();
        assert_eq!(last_line(&log), "no key");
        let python = script(folder.path(), "exec sleep 1000");
        let hangs = Mirror::start(&settings(&python), &plan, &store);
        hangs.finish_within(Duration::from_millis(200));
        Mirror::start(&settings(&folder.path().join("nothing")), &plan, &store).finish();

        assert!(begin.elapsed() < Duration::from_mins(1));
    }

    #[test]
    fn a_process_gets_the_jobs_and_then_the_files() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::new(folder.path().join("results"));
        let plan = plan_of("name = \"t\"\n");
        let seen = folder.path().join("seen");
        let python = script(folder.path(), &format!("cat > {}", seen.display()));
        let table = store.table_dir("t");
        fs::create_dir_all(table.join("figures")).unwrap();
        fs::write(table.join("table.md"), "| a |").unwrap();
        fs::write(table.join("figures/loss.svg"), "<svg/>").unwrap();

        Mirror::start(&settings(&python), &plan, &store).finish();

        let text = fs::read_to_string(seen).unwrap();
        let lines: Vec<Value> = text
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        let about = fs::read(lines[0].as_str().unwrap()).unwrap();
        let about: Value = serde_json::from_slice(&about).unwrap();
        assert_eq!(about["tracker"], "wandb");
        assert_eq!(about["jobs"].as_array().unwrap().len(), plan.jobs.len());
        assert_eq!(lines[1]["files"].as_array().unwrap().len(), 2);
    }
}
