//! After any interruption the same command continues a run, with the results of an undisturbed one.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::{
    fs,
    io::{BufRead as _, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
    thread,
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value as Json;

use crate::kill::{SMALLER, finish, results_of};

fn recode(command: &str, results: &Path) -> Command {
    let mut recode = Command::new(env!("CARGO_BIN_EXE_recode"));
    recode
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .env("RECODE_RESULTS", results)
        .env_remove("RUST_LOG")
        .args([command, "experiments/from_scratch.toml"])
        .args(SMALLER.iter().flat_map(|setting| ["--set", setting]));
    recode
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

/// A run whose events are read one by one.
struct Watched {
    child: Child,
    events: Box<dyn Iterator<Item = Json>>,
}

impl Watched {
    fn start(results: &Path) -> Self {
        let mut command = recode("run", results);
        command
            .args(["--progress", "json"])
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let lines = BufReader::new(child.stderr.take().unwrap()).lines();
        // Other lines are for the user.
        let events = lines.filter_map(|line| serde_json::from_str(&line.unwrap()).ok());
        Self {
            child,
            events: Box::new(events),
        }
    }

    /// Waits for the first event of a kind from a job whose name starts with `job`, and returns the
    /// name.
    fn wait_for(&mut self, kind: &str, job: &str) -> Option<String> {
        self.events.by_ref().find_map(|event| {
            let name = event["job"].as_str()?;
            (event["event"] == kind && name.starts_with(job)).then(|| name.to_owned())
        })
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    fn exit_code(mut self) -> Option<i32> {
        self.events.by_ref().for_each(drop);
        self.child.wait().unwrap().code()
    }
}

/// The worker that holds the lock of a job.
fn worker(results: &Path, job: &str) -> Pid {
    let lock = fs::read(results.join("jobs").join(job).join("lock")).unwrap();
    let owner: Json = serde_json::from_slice(&lock).unwrap();
    Pid::from_raw(i32::try_from(owner["pid"].as_i64().unwrap()).unwrap()).unwrap()
}

#[test]
fn workers_of_a_killed_scheduler_stop_and_lose_nothing() {
    let root = tempfile::tempdir().unwrap();
    let [quiet, interrupted] = ["quiet", "interrupted"].map(|name| root.path().join(name));
    let table = finish(&quiet);

    // Each run continues where the previous one stopped, or waits for the worker that it left
    // behind.
    for (kind, job) in [
        ("started", "eval-"),
        ("started", "train-"),
        ("progress", "train-"),
        ("done", "train-"),
        ("started", "eval-"),
        ("started", "train-"),
        ("progress", "train-"),
    ] {
        let mut run = Watched::start(&interrupted);
        let Some(_) = run.wait_for(kind, job) else {
            break;
        };
        run.signal(Signal::KILL);
        assert_eq!(
            run.exit_code(),
            None,
            "killed by a signal at {kind} of {job}"
        );
    }

    assert_eq!(finish(&interrupted), table);
    let (expected, results) = (results_of(&quiet), results_of(&interrupted));
    for (path, bytes) in &expected {
        assert!(
            results.get(path) == Some(bytes),
            "{} differs",
            path.display()
        );
    }
}

#[test]
fn an_interrupted_run_says_how_to_continue() {
    let root = tempfile::tempdir().unwrap();
    let mut run = Watched::start(root.path());
    run.wait_for("started", "train-").unwrap();

    run.signal(Signal::INT);

    assert_eq!(run.exit_code(), Some(75));
    let status = recode("status", root.path())
        .arg("--json")
        .output()
        .unwrap();
    let jobs: Vec<Json> = serde_json::from_slice(&status.stdout).unwrap();
    let states: Vec<&str> = jobs
        .iter()
        .map(|job| job["state"].as_str().unwrap())
        .collect();
    assert_eq!(
        states.iter().filter(|state| **state == "done").count(),
        1,
        "{states:?}"
    );
    assert!(
        !states.contains(&"running") && !states.contains(&"failed"),
        "{states:?}"
    );
}

#[test]
fn a_killed_worker_fails_its_job_and_the_others_continue() {
    let root = tempfile::tempdir().unwrap();
    let mut run = Watched::start(root.path());
    let job = run.wait_for("started", "train-").unwrap();
    // The worker writes this file once it has the lock.
    let note = root.path().join("jobs").join(&job).join("state.json");
    while !note.exists() {
        thread::sleep(Duration::from_millis(5));
    }

    kill_process(worker(root.path(), &job), Signal::KILL).unwrap();

    assert_eq!(
        run.wait_for("failed", "train-").as_deref(),
        Some(job.as_str())
    );
    // The second training and both evaluations of trained models depend on it.
    let blocked = run
        .events
        .by_ref()
        .filter(|event| event["event"] == "blocked")
        .count();
    assert_eq!(blocked, 3);
    assert_eq!(run.exit_code(), Some(1));
    let status = recode("status", root.path()).output().unwrap();
    assert!(
        text(&status.stdout).contains("killed by SIGKILL"),
        "{}",
        text(&status.stdout)
    );
}

#[test]
fn missing_data_is_reported_before_anything_starts() {
    let root = tempfile::tempdir().unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_recode"))
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .env("RECODE_RESULTS", root.path().join("results"))
        .env("RECODE_CACHE", root.path().join("cache"))
        .env("HF_HOME", root.path().join("hub"))
        .args(["run", "experiments/grpo_qwen7b.toml"])
        .output()
        .unwrap();

    assert_eq!(output.status.code(), Some(3), "{}", text(&output.stderr));
    assert!(
        text(&output.stderr).contains("recode fetch"),
        "{}",
        text(&output.stderr)
    );
    assert!(output.stdout.is_empty());
    assert!(!root.path().join("results").exists());
}
