//! `recode logs` and `recode watch` show a job from its files until it is over.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::{
    fs::{self, OpenOptions},
    io::{BufRead as _, BufReader, Read as _, Write as _},
    path::Path,
    process::{Command, Stdio},
};

use recode::results::{Claim, JobDir};

fn recode(results: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_recode"));
    command
        .env("RECODE_RESULTS", results)
        .env_remove("RUST_LOG")
        .args(arguments);
    command
}

/// What a command prints on stdout and stderr, and its exit code.
fn run(results: &Path, arguments: &[&str]) -> (String, String, Option<i32>) {
    let output = recode(results, arguments).output().unwrap();
    let text = |bytes| {
        let text = String::from_utf8(bytes).unwrap();
        text.replace(&*results.to_string_lossy(), "[results]")
    };
    (
        text(output.stdout),
        text(output.stderr),
        output.status.code(),
    )
}

/// A training that failed after two steps.
fn failed_training(results: &Path) -> JobDir {
    let dir = JobDir::new(results.join("jobs/train-7c1e9a02"));
    fs::create_dir_all(dir.attempt(1)).unwrap();
    let write = |name: &str, text: &str| fs::write(dir.path().join(name), text).unwrap();
    write("job.json", "{}");
    write(
        "attempts/1/stderr.log",
        "INFO the job starts\nerror: no space left\n",
    );
    write("attempts/1/stdout.log", "");
    let step = |step: usize| {
        format!(
            "{{\"step\":{step},\"epoch\":1,\"loss\":0.5,\"gradient_norm\":1,\"learning_rate\":0.1,\
             \"tokens\":9,\"skipped_updates\":0,\"timing\":{{\"seconds\":1,\"tokens_per_second\":9,\
             \"sampling_seconds\":0,\"reward_seconds\":0,\"update_seconds\":0}}}}\n"
        )
    };
    write("metrics.jsonl", &(step(1) + &step(2)));
    write(
        "state.json",
        r#"{"status": "failed", "attempt": 1, "heartbeat": "2026-11-22T17:20:08Z",
            "owner": {"pid": 1, "host": "node7", "since": "2026-11-22T17:20:08Z"},
            "progress": {"step": 2, "of": 40, "message": ""}, "reason": "no space left\nfree some"}"#,
    );
    dir
}

#[test]
fn logs_of_a_job_are_found_by_the_beginning_of_its_name() {
    let results = tempfile::tempdir().unwrap();
    failed_training(results.path());

    let (logs, errors, code) = run(results.path(), &["logs", "train-7"]);

    assert_eq!(logs, "INFO the job starts\nerror: no space left\n");
    assert_eq!((errors.as_str(), code), ("", Some(0)));
}

#[test]
fn for_an_unknown_job_a_similar_name_is_suggested() {
    let results = tempfile::tempdir().unwrap();
    failed_training(results.path());

    for command in ["logs", "watch"] {
        let (printed, errors, code) = run(results.path(), &[command, "trian-7c1e9a02"]);

        assert_eq!((printed.as_str(), code), ("", Some(2)));
        insta::allow_duplicates! {
            insta::assert_snapshot!(errors, @r"
            error: there is no job `trian-7c1e9a02` in `[results]`
            help: did you mean `train-7c1e9a02`?
            ");
        }
    }
    let (_, errors, code) = run(results.path(), &["watch"]);
    assert_eq!(code, Some(2));
    insta::assert_snapshot!(errors, @r"
    error: no job runs in `[results]`
    help: name one; `recode status` lists the jobs
    ");
}

#[test]
fn watching_a_failed_job_shows_its_last_steps_and_the_reason() {
    let results = tempfile::tempdir().unwrap();
    failed_training(results.path());

    let (lines, errors, code) = run(results.path(), &["watch", "train-7c1e9a02"]);

    insta::assert_snapshot!(lines, @r"
    step  1/40  loss  0.5000       9 tokens/s
    step  2/40  loss  0.5000       9 tokens/s
    ");
    assert_eq!(errors, "train-7c1e9a02  failed: no space left\n");
    assert_eq!(code, Some(1));
}

#[test]
fn following_logs_prints_new_lines_until_no_worker_runs_the_job() {
    let results = tempfile::tempdir().unwrap();
    let dir = failed_training(results.path());
    let lock = dir.claim().unwrap();
    assert!(matches!(lock, Claim::Ours(_)));
    let mut child = recode(results.path(), &["logs", "-f", "train-7c1e9a02"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    let mut line = || {
        let mut line = String::new();
        stdout.read_line(&mut line).unwrap();
        line
    };

    assert_eq!(line(), "INFO the job starts\n");
    assert_eq!(line(), "error: no space left\n");
    let mut log = OpenOptions::new()
        .append(true)
        .open(dir.attempt(1).join("stderr.log"))
        .unwrap();
    log.write_all(b"INFO more\n").unwrap();
    assert_eq!(line(), "INFO more\n");
    dir.new_attempt().unwrap();
    fs::write(dir.attempt(2).join("stderr.log"), "INFO again\n").unwrap();
    assert_eq!(line(), "==> attempts/2/stderr.log <==\n");
    assert_eq!(line(), "INFO again\n");

    drop(lock);
    let mut rest = String::new();
    stdout.read_to_string(&mut rest).unwrap();
    assert_eq!(rest, "");
    assert_eq!(child.wait().unwrap().code(), Some(0));
}
