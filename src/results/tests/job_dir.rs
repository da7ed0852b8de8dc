//! A job folder as its scheduler, its worker and a crash leave it.

use std::{
    fs,
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::Duration,
};

use serde_json::json;

use super::fixture;
use crate::{
    disk::{Timestamp, lock::Owner},
    plan::{Job, JobId, tests::fixture::job},
    results::{Attempt, JobDir, JobState, Note, Outcome, Progress, ResultsError, Status, Store},
};

fn folder(id: &str) -> (tempfile::TempDir, JobDir) {
    let root = tempfile::tempdir().unwrap();
    let dir = Store::new(root.path()).job_dir(&JobId(id.into()));
    dir.prepare(&job(id, &[])).unwrap();
    (root, dir)
}

fn note(status: Status, step: u64) -> Note {
    Note {
        status,
        attempt: 1,
        owner: Owner::this_process(),
        heartbeat: Timestamp::from_unix_seconds(0),
        progress: Some(Progress {
            step,
            of: 10,
            message: String::new(),
        }),
        reason: None,
    }
}

fn state(dir: &JobDir) -> JobState {
    dir.state().unwrap()
}

#[test]
fn a_prepared_job_is_new_and_reads_as_it_was_written() {
    let (_root, dir) = folder("eval-00000001");

    assert_eq!(dir.job().unwrap().unwrap(), job("eval-00000001", &[]));
    assert_eq!(dir.id().0, "eval-00000001");
    assert_eq!(state(&dir), JobState::New);
}

#[test]
fn an_outcome_outweighs_whatever_else_is_said() {
    let (_root, dir) = folder("eval-00000001");
    dir.record_failure(1, "killed").unwrap();
    let _lock = dir.claim().unwrap();

    dir.write_outcome(&fixture::outcome()).unwrap();

    assert_eq!(state(&dir), JobState::Done);
    assert_eq!(dir.outcome(), Some(fixture::outcome()));
}

#[test]
fn half_an_outcome_is_none() {
    let (_root, dir) = folder("eval-00000001");
    dir.write_outcome(&fixture::outcome()).unwrap();
    let bytes = fs::read(dir.outcome_path()).unwrap();
    for length in [0, 1, bytes.len() / 2, bytes.len() - 3] {
        fs::write(dir.outcome_path(), &bytes[..length]).unwrap();

        assert_eq!(state(&dir), JobState::New, "{length} bytes");
    }
}

#[test]
fn an_outcome_that_could_not_be_read_back_is_not_written() {
    let (_root, dir) = folder("eval-00000001");
    let Outcome::Eval(mut outcome) = fixture::outcome() else {
        panic!("it is an evaluation")
    };
    outcome.metrics.insert("pass@1".into(), f64::NAN);

    let error = dir.write_outcome(&Outcome::Eval(outcome)).unwrap_err();

    assert!(matches!(error, ResultsError::NotFinite { .. }));
    assert!(!dir.outcome_path().exists());
}

#[test]
fn a_job_runs_while_its_lock_is_held_and_no_longer() {
    let (_root, dir) = folder("train-00000001");
    let lock = dir.claim().unwrap();
    dir.write_note(&note(Status::Running, 3)).unwrap();
    let JobState::Running {
        owner: Some(owner),
        progress: Some(progress),
    } = state(&dir)
    else {
        panic!("the lock is held")
    };
    assert_eq!((owner.pid, progress.step), (std::process::id(), 3));

    drop(lock);

    // The note still says `running`, as after `kill -9`.
    assert_eq!(state(&dir), JobState::New);
}

#[test]
fn a_training_goes_on_from_its_last_checkpoint() {
    let (_root, dir) = folder("train-00000001");
    for name in ["step_000100", "step_000200", "step_000300.tmp", "notes"] {
        fs::create_dir_all(dir.checkpoints().join(name)).unwrap();
    }
    dir.write_note(&note(Status::Running, 250)).unwrap();

    assert_eq!(state(&dir), JobState::Resumable { step: 200 });
}

#[test]
fn an_evaluation_goes_on_from_its_samples() {
    let (_root, dir) = folder("eval-00000001");
    dir.write_note(&note(Status::Stopped, 7)).unwrap();
    assert_eq!(state(&dir), JobState::New);

    fs::write(dir.samples(), "{\"step\":0}\n").unwrap();

    assert_eq!(state(&dir), JobState::Resumable { step: 7 });
}

#[test]
fn a_failure_keeps_the_reason_that_the_worker_gave() {
    let (_root, dir) = folder("eval-00000001");
    dir.record_failure(1, "no space left").unwrap();
    dir.record_failure(1, "ended with exit code 1").unwrap();

    assert_eq!(
        state(&dir),
        JobState::Failed {
            reason: "no space left".into()
        }
    );
}

#[test]
fn a_damaged_note_counts_as_absent() {
    let (_root, dir) = folder("eval-00000001");
    fs::write(dir.path().join("state.json"), "{\"status\": \"fai").unwrap();

    assert_eq!(state(&dir), JobState::New);
}

#[test]
fn a_folder_of_other_inputs_is_not_taken_for_ours() {
    let (_root, dir) = folder("eval-00000001");
    let other = Job {
        identity: json!({"recipe": 2}),
        ..job("eval-00000001", &[])
    };

    let error = dir.prepare(&other).unwrap_err();

    assert!(matches!(error, ResultsError::OtherJob { .. }));
}

#[test]
fn the_outcome_of_another_job_is_not_taken_for_ours() {
    let (_root, dir) = folder("eval-00000001");
    dir.write_outcome(&fixture::outcome()).unwrap();
    let ours = job("eval-00000001", &[]);
    let other = Job {
        identity: json!({"recipe": 2}),
        ..ours.clone()
    };

    assert_eq!(dir.outcome_of(&ours).unwrap(), Some(fixture::outcome()));
    let error = dir.outcome_of(&other).unwrap_err();
    assert!(matches!(error, ResultsError::OtherJob { .. }));
}

#[test]
fn what_a_worker_left_in_a_removed_folder_is_no_beginning() {
    let root = tempfile::tempdir().unwrap();
    let dir = Store::new(root.path()).job_dir(&JobId("train-00000001".into()));
    fs::create_dir_all(dir.checkpoints().join("step_000040")).unwrap();
    fs::write(dir.metrics(), "{}\n").unwrap();
    dir.write_outcome(&fixture::outcome()).unwrap();

    dir.prepare(&job("train-00000001", &[])).unwrap();

    assert_eq!(state(&dir), JobState::New);
    assert!(!dir.metrics().exists() && !dir.checkpoints().exists());
}

#[test]
fn a_folder_cut_while_it_was_prepared_is_prepared_again() {
    let (_root, dir) = folder("eval-00000001");
    fs::write(dir.path().join("identity.json"), "{\"rec").unwrap();
    fs::write(dir.path().join("job.json"), "").unwrap();
    let job = job("eval-00000001", &[]);

    dir.prepare(&job).unwrap();

    assert_eq!(dir.identity().unwrap().as_ref(), Some(&job.identity));
    assert_eq!(dir.job().unwrap(), Some(job));
}

#[test]
fn attempts_are_counted_from_one() {
    let (_root, dir) = folder("eval-00000001");

    assert_eq!(dir.last_attempt(), 0);
    assert_eq!(dir.new_attempt().unwrap(), 1);
    assert_eq!(dir.new_attempt().unwrap(), 2);
    assert_eq!(dir.last_attempt(), 2);

    fs::create_dir(dir.attempt(u32::MAX)).unwrap();
    assert_eq!(dir.new_attempt().unwrap(), 3);
}

#[test]
fn taking_the_lock_removes_half_written_files() {
    let (_root, dir) = folder("eval-00000001");
    fs::write(dir.path().join(".a1b2.tmp"), "half").unwrap();

    drop(dir.claim().unwrap());

    assert!(!dir.path().join(".a1b2.tmp").exists());
    assert!(dir.job().unwrap().is_some());
}

#[test]
fn a_scheduler_prepares_a_folder_while_workers_take_its_lock() {
    let (_root, dir) = folder("eval-00000001");
    let job = job("eval-00000001", &[]);
    let is_done = AtomicBool::new(false);

    thread::scope(|scope| {
        scope.spawn(|| {
            while !is_done.load(Ordering::Relaxed) {
                drop(dir.claim().unwrap());
                thread::sleep(Duration::from_millis(20));
            }
        });
        let prepared: Vec<_> = (0..200).map(|_| dir.prepare(&job)).collect();
        is_done.store(true, Ordering::Relaxed);
        for result in prepared {
            result.unwrap();
        }
    });
}

#[test]
fn an_outcome_with_another_digit_counts_as_absent() {
    let (_root, dir) = folder("eval-00000001");
    dir.write_outcome(&fixture::outcome()).unwrap();
    let text = fs::read_to_string(dir.outcome_path()).unwrap();
    assert!(text.contains("\"pass@1\": 0.5"), "{text}");

    fs::write(dir.outcome_path(), text.replace("0.5", "0.6")).unwrap();
    assert_eq!((dir.outcome(), state(&dir)), (None, JobState::New));

    // The file of another job, and one of a version that wrote no seal.
    let other = dir.sibling(&JobId("eval-00000002".into()));
    other.prepare(&job("eval-00000002", &[])).unwrap();
    fs::write(other.outcome_path(), &text).unwrap();
    assert_eq!(other.outcome(), None);
    let unsealed = serde_json::to_string(&fixture::outcome()).unwrap();
    fs::write(dir.outcome_path(), unsealed).unwrap();
    assert_eq!(dir.outcome(), Some(fixture::outcome()));
}

#[test]
fn a_job_folder_may_get_another_name() {
    let (root, dir) = folder("eval-00000001");
    dir.write_outcome(&fixture::outcome()).unwrap();
    let path = root.path().join("the best");
    fs::rename(dir.path(), &path).unwrap();

    let renamed = JobDir::new(path);

    assert_eq!(renamed.outcome(), Some(fixture::outcome()));
    renamed.write_outcome(&fixture::trained()).unwrap();
    fs::rename(renamed.path(), dir.path()).unwrap();
    assert_eq!(dir.outcome(), Some(fixture::trained()));
}

#[test]
fn logs_that_change_after_the_end_of_a_job_are_named() {
    let (_root, dir) = folder("eval-00000001");
    fs::write(dir.samples(), "1\n").unwrap();
    fs::write(dir.metrics(), "2\n").unwrap();
    assert_eq!(dir.changed_logs(), []);
    let mut attempt = Attempt::begin(&job("eval-00000001", &[]), 1);
    attempt.logs = dir.log_digests().unwrap();
    dir.write_attempt(&attempt).unwrap();
    assert_eq!(dir.changed_logs(), []);

    fs::write(dir.samples(), "3\n").unwrap();
    fs::remove_file(dir.metrics()).unwrap();

    let found: Vec<String> = dir.changed_logs().iter().map(ToString::to_string).collect();
    let expected = [
        format!(
            "`{}` was removed after its job ended",
            dir.metrics().display()
        ),
        format!(
            "`{}` has changed since its job ended",
            dir.samples().display()
        ),
    ];
    assert_eq!(found, expected);
}

#[test]
fn a_damaged_job_is_written_again_once_it_is_done() {
    let (_root, dir) = folder("train-00000001");
    let (path, job) = (dir.path().join("job.json"), job("train-00000001", &[]));
    fs::write(&path, "{").unwrap();
    dir.restore_job(&job).unwrap();
    assert!(
        dir.job().is_err(),
        "preparing it decides what becomes of its logs"
    );

    dir.write_outcome(&fixture::trained()).unwrap();
    dir.restore_job(&job).unwrap();

    assert_eq!(dir.job().unwrap(), Some(job));
}
