//! A training that several processes share ends like that of one, also if some of them are killed.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::{
    fs,
    path::Path,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use recode::results::{JobState, Store};
use rustix::process::{Pid, Signal, kill_process};

use super::kill_training::{SETTINGS, assert_quiet, errors, prepare, steps, wait};

fn start(job: &Path, attempt: usize, ranks: usize) -> Child {
    Command::new(env!("CARGO_BIN_EXE_recode"))
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .env_remove("RUST_LOG")
        .env("RAYON_NUM_THREADS", "1")
        .arg("job")
        .arg(job)
        .args(["--attempt", &attempt.to_string()])
        .args(["--ranks", &ranks.to_string()])
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

/// The processes that help a worker.
pub(crate) fn helpers(worker: u32) -> Vec<u32> {
    let option = format!("--help-process\0{worker}\0");
    let pids = fs::read_dir("/proc").unwrap().flatten();
    let pids = pids.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    let is_one = |pid: &u32| {
        let words = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        String::from_utf8_lossy(&words).contains(&option)
    };
    pids.filter(is_one).collect()
}

pub(crate) fn kill(pid: u32, signal: Signal) {
    let pid = Pid::from_raw(i32::try_from(pid).unwrap()).unwrap();
    kill_process(pid, signal).unwrap();
}

fn assert_no_helpers(worker: u32) {
    let since = Instant::now();
    while !helpers(worker).is_empty() {
        assert!(since.elapsed() < Duration::from_secs(10), "helpers live on");
        thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn ranks_that_are_killed_go_on_as_another_number_of_ranks_to_the_same_bytes() {
    let results = tempfile::tempdir().unwrap();
    let job = prepare(results.path(), SETTINGS);
    let dir = Store::new(results.path()).jobs().remove(0);

    // A helper is killed.
    let mut worker = start(&job, 1, 3);
    let pid = worker.id();
    wait(&mut worker, || steps(&job) >= 4);
    let found = helpers(pid);
    assert_eq!(found.len(), 2);
    kill(found[0], Signal::KILL);
    let output = worker.wait_with_output().unwrap();
    let text = errors(&output);
    // As of whatever may pass by itself: it is tried again later.
    assert_eq!(output.status.code(), Some(69), "{text}");
    assert!(
        text.contains(" of 3 has ended: killed by SIGKILL"),
        "{text}"
    );
    assert!(matches!(dir.state().unwrap(), JobState::Failed { .. }));
    assert_no_helpers(pid);

    // The worker is killed.
    let mut worker = start(&job, 2, 2);
    let pid = worker.id();
    wait(&mut worker, || steps(&job) >= 10);
    kill(pid, Signal::KILL);
    worker.wait().unwrap();
    assert_no_helpers(pid);

    // The worker is asked to stop.
    let mut worker = start(&job, 3, 2);
    wait(&mut worker, || steps(&job) >= 16);
    kill(worker.id(), Signal::TERM);
    let output = worker.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(75), "{}", errors(&output));
    assert!(matches!(dir.state().unwrap(), JobState::Resumable { .. }));

    // One helper alone is asked to stop, which stops all.
    let mut worker = start(&job, 4, 3);
    wait(&mut worker, || steps(&job) >= 20);
    kill(helpers(worker.id())[1], Signal::TERM);
    let output = worker.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(75), "{}", errors(&output));

    let output = start(&job, 5, 1).wait_with_output().unwrap();
    assert!(output.status.success(), "{}", errors(&output));
    assert_quiet(&job);
    let ranks = dir.provenance().attempts.into_iter().map(|one| one.ranks);
    assert_eq!(ranks.collect::<Vec<_>>(), [3, 2, 2, 3, 1]);
}
