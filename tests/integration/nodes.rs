//! A training that processes on several machines share ends like that of one, also if some of them hang. The machines
//! are this one, and the processes talk over TCP.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use recode::results::{JobState, Store};
use rustix::process::Signal;

use super::{
    kill_training::{SETTINGS, assert_quiet, errors, prepare, steps, wait},
    ranks::{helpers, kill},
};

fn recode(job: &Path, arguments: &[&str]) -> Child {
    Command::new(env!("CARGO_BIN_EXE_recode"))
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .env_remove("RUST_LOG")
        .env_remove("SLURM_JOB_ID")
        .env("RAYON_NUM_THREADS", "1")
        .arg("job")
        .arg(job)
        .args(arguments)
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

/// The worker of an attempt, and what helps it on each of the other machines.
fn start(job: &Path, attempt: &str, ranks: &str, nodes: usize, timeout: &str) -> Vec<Child> {
    let arguments = [
        ["--attempt", attempt],
        ["--ranks", ranks],
        ["--nodes", &nodes.to_string()],
        ["--network", "127.0.0.1"],
        ["--rank-timeout", timeout],
    ];
    let mut all = vec![recode(job, &arguments.concat())];
    wait(&mut all[0], || find_invitation(job).is_some());
    let invitation = find_invitation(job).unwrap();
    for node in 1..nodes {
        let join = invitation.to_str().unwrap();
        let arguments = ["--join", join, "--node", &node.to_string()];
        all.push(recode(job, &arguments));
    }
    all
}

fn find_invitation(job: &Path) -> Option<PathBuf> {
    let entries = fs::read_dir(job).unwrap().flatten();
    let paths = entries.map(|entry| entry.path());
    paths.into_iter().find(|path: &PathBuf| {
        let name = path.file_name().unwrap().to_string_lossy();
        name.starts_with("ranks-") && name.ends_with(".json")
    })
}

/// How the worker ends, after which its helpers end by themselves.
fn end(mut all: Vec<Child>) -> (Option<i32>, String) {
    let output = all.remove(0).wait_with_output().unwrap();
    for helper in all {
        helper.wait_with_output().unwrap();
    }
    (output.status.code(), errors(&output))
}

#[test]
fn a_training_over_several_nodes_ends_with_the_bytes_of_one() {
    let results = tempfile::tempdir().unwrap();
    let job = prepare(results.path(), SETTINGS);
    let dir = Store::new(results.path()).jobs().remove(0);
    let [short, long] = ["30", "600"];

    // The process on another machine is stopped, and keeps its connections.
    let mut all = start(&job, "1", "3", 3, short);
    wait(&mut all[0], || steps(&job) >= 4);
    assert_eq!(find_invitation(&job), None, "the key lies in the folder");
    kill(all[2].id(), Signal::STOP);
    let mut stopped = all.pop().unwrap();
    let (code, text) = end(all);
    assert_eq!(code, Some(1), "{text}");
    assert!(
        text.contains("rank 2 has sent no heartbeat for 30 s"),
        "{text}"
    );
    assert!(matches!(dir.state().unwrap(), JobState::Failed { .. }));
    kill(stopped.id(), Signal::KILL);
    stopped.wait().unwrap();

    // One of the machine's two processes is killed.
    let mut all = start(&job, "2", "4", 2, long);
    wait(&mut all[0], || steps(&job) >= 10);
    let there = helpers(all[1].id());
    assert_eq!([helpers(all[0].id()).len(), there.len()], [1, 1]);
    kill(there[0], Signal::KILL);
    let (code, text) = end(all);
    assert_eq!(code, Some(1), "{text}");
    assert!(text.contains("rank 3"), "{text}");

    // The worker is asked to stop.
    let mut all = start(&job, "3", "2", 2, long);
    wait(&mut all[0], || steps(&job) >= 16);
    kill(all[0].id(), Signal::TERM);
    let (code, text) = end(all);
    assert_eq!(code, Some(75), "{text}");
    assert!(matches!(dir.state().unwrap(), JobState::Resumable { .. }));

    let (code, text) = end(start(&job, "4", "2", 2, long));
    assert_eq!(code, Some(0), "{text}");
    assert_quiet(&job);
}

#[test]
fn a_helper_on_this_machine_that_hangs_is_not_waited_for() {
    let results = tempfile::tempdir().unwrap();
    let job = prepare(results.path(), SETTINGS);
    let arguments = ["--attempt", "1", "--ranks", "2", "--rank-timeout", "30"];
    let mut worker = recode(&job, &arguments);
    wait(&mut worker, || steps(&job) >= 2);
    let helper = helpers(worker.id())[0];
    kill(helper, Signal::STOP);

    let output = worker.wait_with_output().unwrap();

    let text = errors(&output);
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(
        text.contains("rank 1 has sent no heartbeat for 30 s")
            && text.contains("run the job again to go on from its last checkpoint"),
        "{text}"
    );
    assert!(!Path::new(&format!("/proc/{helper}")).exists());
}

#[test]
fn machines_that_do_not_come_are_named_with_the_command_that_starts_them() {
    let results = tempfile::tempdir().unwrap();
    let job = prepare(results.path(), SETTINGS);
    let arguments = "--attempt 1 --ranks 2 --nodes 2 --network 127.0.0.1 --rank-timeout 1";
    let arguments: Vec<&str> = arguments.split(' ').collect();

    let output = recode(&job, &arguments).wait_with_output().unwrap();

    let text = errors(&output);
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(
        text.contains("these ranks did not join within 1 s: 1"),
        "{text}"
    );
    assert!(text.contains("--node 1"), "{text}");
}
