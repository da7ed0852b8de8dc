//! A run that is killed and started again ends as one that was not.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use crate::tensorboard::scalars_of;

/// The settings that make `experiments/from_scratch.toml` small enough to be run a dozen times.
pub(crate) const SMALLER: &[&str] = &[
    "model.scratch.hidden_size=32",
    "model.scratch.intermediate_size=64",
    "model.scratch.num_hidden_layers=1",
    "train.sft.max_steps=12",
    "train.sft.lr.warmup_steps=2",
    "train.sft.batch_size=4",
    "train.sft.save_every=3",
    "train.grpo.max_steps=6",
    "train.grpo.batch_size=2",
    "train.grpo.group_size=4",
    "train.grpo.save_every=2",
    "train.sampling.max_completion_tokens=24",
    "eval.sampling.max_completion_tokens=24",
    "eval.samples.mini_arena=2",
    "eval.batch_size=4",
    "eval.limit=8",
    "table.cols=[\"mini_arena.pass@1\"]",
];

fn start(results: &Path) -> Child {
    let mut command = Command::new(env!("CARGO_BIN_EXE_recode"));
    command
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .env("RECODE_RESULTS", results)
        .args(["run", "experiments/from_scratch.toml"])
        .args(SMALLER.iter().flat_map(|setting| ["--set", setting]))
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command.spawn().unwrap()
}

/// Runs to the end, and returns what is printed.
pub(crate) fn finish(results: &Path) -> String {
    let output = start(results).wait_with_output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    String::from_utf8(output.stdout).unwrap()
}

/// Kills a run and its workers at once, as a machine that loses power does.
pub(crate) fn kill(mut run: Child, results: &Path) {
    run.kill().unwrap();
    run.wait().unwrap();
    for worker in processes_about(results) {
        let _ = Command::new("kill")
            .args(["-9", &worker.to_string()])
            .status();
    }
    let start = Instant::now();
    while !processes_about(results).is_empty() {
        assert!(
            start.elapsed() < Duration::from_secs(20),
            "a worker outlived `kill -9`"
        );
        thread::sleep(Duration::from_millis(20));
    }
}

/// The processes whose command line names a folder.
fn processes_about(folder: &Path) -> Vec<u32> {
    let name = folder.file_name().unwrap().to_string_lossy().into_owned();
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter(|process| {
            let line = fs::read(format!("/proc/{process}/cmdline")).unwrap_or_default();
            String::from_utf8_lossy(&line).contains(&name)
        })
        .collect()
}

/// What must not depend on interruptions: tables, outcomes, trained weights; by path.
pub(crate) fn results_of(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let is_kept = |name: &str| {
        name.starts_with("table.") || ["outcome.json", "model.safetensors"].contains(&name)
    };
    walkdir::WalkDir::new(folder)
        .into_iter()
        .map(Result::unwrap)
        .filter(|entry| entry.file_name().to_str().is_some_and(is_kept))
        .map(|entry| {
            let path = entry.path().strip_prefix(folder).unwrap().to_owned();
            (path, fs::read(entry.path()).unwrap())
        })
        .collect()
}

/// How often a job of the folder was started.
fn attempts(folder: &Path) -> usize {
    let entries = walkdir::WalkDir::new(folder)
        .into_iter()
        .map(Result::unwrap);
    entries
        .filter(|entry| entry.file_name() == "stderr.log")
        .count()
}

#[test]
#[cfg_attr(
    not(target_os = "linux"),
    ignore = "needs Linux: workers are found in /proc"
)]
fn a_run_killed_at_any_moment_ends_with_the_same_bytes() {
    let whole = tempfile::tempdir().unwrap();
    let begin = Instant::now();
    let table = finish(whole.path());
    let duration = begin.elapsed();
    let expected = results_of(whole.path());
    // Four forms of the table, five jobs, two of which have trained a model.
    assert_eq!(expected.len(), 4 + 5 + 2);

    let killed = tempfile::tempdir().unwrap();
    for share in [0.05, 0.15, 0.3, 0.3, 0.5, 0.25, 0.7] {
        let run = start(killed.path());
        thread::sleep(duration.mul_f64(share));
        kill(run, killed.path());
    }
    assert_eq!(finish(killed.path()), table);
    assert!(attempts(killed.path()) > 5, "no kill hit a job");

    let results = results_of(killed.path());
    assert_eq!(
        results.keys().collect::<Vec<_>>(),
        expected.keys().collect::<Vec<_>>()
    );
    for (path, bytes) in &expected {
        assert!(results[path] == *bytes, "{} differs", path.display());
    }
    let events = scalars_of(whole.path());
    assert_eq!(events.len(), 2);
    assert!(
        scalars_of(killed.path()) == events,
        "TensorBoard would show other steps"
    );
}

#[test]
fn a_finished_run_is_not_run_again() {
    let results = tempfile::tempdir().unwrap();
    let table = finish(results.path());
    assert_eq!(attempts(results.path()), 5);

    assert_eq!(finish(results.path()), table);

    assert_eq!(attempts(results.path()), 5);
}
