//! One job from start to end, inside its own process.
//!
//! A worker takes the job's lock, reads `job.json`, reports its progress in `state.json`, and writes the
//! outcome last. However it ends, the job can be resumed from its folder.

mod error;
mod eval_job;
mod helper;
mod leader;
mod lost;
mod measuring;
mod model;
mod remote_eval;
mod remote_teacher;
mod replay;
mod reporter;
mod reward_tools;
mod stop;
mod tensorboard;
mod train_eval;
mod train_job;
mod train_log;

use std::{fs, path::Path, sync::Arc};

pub use error::WorkerError;
pub use helper::{Way, help};
pub use model::trained as trained_model;
pub use remote_teacher::TeacherError;
pub use replay::{Elsewhere, replay_training, replay_verdicts};
pub use reporter::Reporter;
use rustix::process::{Pid, Signal, getppid, set_parent_process_death_signal};
pub use stop::StopFlag;

use crate::{
    launch::Sharing,
    model::fallbacks,
    plan::{Job, Task, Work},
    results::{Attempt, Claim, JobDir, Note, OperationFallback, Outcome, Owner, Status, Timestamp},
};

/// Which process started the worker, and for which attempt.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Origin {
    /// The number of this attempt; by default that of the folder's last attempt.
    pub attempt: Option<u32>,
    /// The parent process, with which this one must end.
    pub parent: Option<u32>,
    /// How processes, this one included, share the job.
    pub sharing: Sharing,
}

/// What a job needs while it runs.
#[derive(Debug)]
pub struct Context<'a> {
    /// The job.
    pub job: &'a Job,
    /// Its folder.
    pub dir: &'a JobDir,
    /// The record of this attempt in the provenance.
    pub attempt: &'a mut Attempt,
    /// How processes share the job.
    pub sharing: Sharing,
    /// Reports the progress.
    pub progress: &'a mut Reporter,
    /// Checked between steps; if it is set, the job saves its state and returns
    /// [`WorkerError::Stopped`].
    pub stop: StopFlag,
}

/// Runs the job of a folder, unless it already has an outcome.
pub fn run(folder: &Path, origin: Origin) -> Result<(), WorkerError> {
    if let Some(parent) = origin.parent {
        die_with(parent, Signal::TERM)?;
    }
    let stop = StopFlag::on_signals().map_err(WorkerError::ListenForSignals)?;
    run_with(folder, origin, stop, |context| {
        compare_inputs(&context.job.work)?;
        match &context.job.work.task {
            Task::Train { train, evaluation } => {
                train_job::train_job(context, train, evaluation.as_deref())
            }
            Task::Eval(eval) => eval_job::eval_job(context, eval),
        }
    })
}

/// Fails if an input is not what the plan has hashed: the name of the job would promise another result.
fn compare_inputs(work: &Work) -> Result<(), WorkerError> {
    match work.changed_input() {
        None => Ok(()),
        Some((role, path)) => Err(WorkerError::InputChanged {
            role: role.to_owned(),
            path: path.to_owned(),
        }),
    }
}

/// Asks the system to send a signal to this process when its parent ends, for whatever reason.
fn die_with(parent: u32, signal: Signal) -> Result<(), WorkerError> {
    set_parent_process_death_signal(Some(signal))
        .map_err(|error| WorkerError::WatchParent(error.into()))?;
    // The parent may have ended before the request.
    let now = getppid().map(Pid::as_raw_pid);
    let is_there = now.and_then(|now| u32::try_from(now).ok()) == Some(parent);
    if is_there {
        Ok(())
    } else {
        Err(WorkerError::Orphaned { parent })
    }
}

fn run_with(
    folder: &Path,
    origin: Origin,
    stop: StopFlag,
    act: impl FnOnce(Context<'_>) -> Result<Outcome, WorkerError>,
) -> Result<(), WorkerError> {
    let open = |source| WorkerError::OpenFolder {
        path: folder.to_owned(),
        source,
    };
    let dir = JobDir::new(fs::canonicalize(folder).map_err(open)?);
    let lock = match dir.claim()? {
        Claim::Ours(lock) => Arc::new(lock),
        Claim::Held(owner) => return Err(WorkerError::Held { owner }),
    };
    let job = dir.job()?.ok_or_else(|| WorkerError::NoJob {
        path: folder.to_owned(),
    })?;
    if dir.outcome().is_some() {
        tracing::info!(job = %job.id, "the job is already done");
        return Ok(());
    }
    for upstream in &job.after {
        let upstream_dir = dir.sibling(upstream);
        if upstream_dir.outcome().is_none() || upstream_dir.lacks_model() {
            return Err(WorkerError::UpstreamNotFinished {
                upstream: upstream.clone(),
            });
        }
    }
    let number = origin.attempt.unwrap_or_else(|| dir.last_attempt().max(1));
    let mut attempt = Attempt::begin(&job, number);
    let sharing = origin.sharing.of(job.work.ranks(origin.sharing.ranks));
    attempt.ranks = sharing.ranks;
    let devices = job.work.backend.devices();
    let devices = &devices[..devices.len().min(sharing.ranks_here())];
    if job.work.remote().is_none() && !devices.is_empty() {
        attempt.device = format!("{} {}", attempt.device, devices.join(","));
    }
    dir.write_attempt(&attempt)?;

    let mut progress = Reporter::start(&dir, &lock, note(number), stop.clone())?;
    tracing::info!(job = %job.id, attempt = number, "the job starts");
    let came = act(Context {
        job: &job,
        dir: &dir,
        sharing,
        attempt: &mut attempt,
        progress: &mut progress,
        stop,
    });
    attempt.operations = operations();
    attempt.ended = Some(Timestamp::now());
    // What failed or stopped the job may be just that its folder is gone.
    let ended = progress.check_folder().and(came).and_then(|outcome| {
        attempt.logs = dir.log_digests()?;
        dir.write_attempt(&attempt)?;
        // Written last, because its presence means that the job is done.
        Ok(dir.write_outcome(&outcome)?)
    });
    progress.finish(ended.as_ref().err());
    tracing::info!(job = %job.id, is_done = ended.is_ok(), "the job ends");
    ended
}

/// The operations of this process that a slower implementation computed.
fn operations() -> Vec<OperationFallback> {
    let all = fallbacks().into_iter();
    all.map(|fallback| OperationFallback {
        operation: fallback.operation.name().to_owned(),
        implementation: fallback.implementation.name().to_owned(),
        reason: fallback.reason.reason().to_owned(),
        count: fallback.count,
    })
    .collect()
}

/// The first note of a worker.
fn note(attempt: u32) -> Note {
    Note {
        status: Status::Running,
        attempt,
        owner: Owner::this_process(),
        heartbeat: Timestamp::now(),
        progress: None,
        reason: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        digest::Digest,
        plan::{Content, JobId, tests::fixture::job},
        results::{JobState, Store, tests::fixture},
    };

    const ORIGIN: Origin = Origin {
        attempt: Some(1),
        parent: None,
        sharing: Sharing::among(1),
    };

    fn folder(after: &[&str]) -> (tempfile::TempDir, JobDir) {
        let root = tempfile::tempdir().unwrap();
        let dir = Store::new(root.path()).job_dir(&JobId("eval-1".into()));
        dir.prepare(&job("eval-1", after)).unwrap();
        (root, dir)
    }

    fn run_job(
        dir: &JobDir,
        act: impl FnOnce(Context<'_>) -> Result<Outcome, WorkerError>,
    ) -> Result<(), WorkerError> {
        run_with(dir.path(), ORIGIN, StopFlag::default(), act)
    }

    #[test]
    fn a_job_that_succeeds_is_done_and_its_lock_is_free() {
        let (_root, dir) = folder(&[]);

        run_job(&dir, |context| {
            assert!(matches!(
                context.dir.state().unwrap(),
                JobState::Running { .. }
            ));
            Ok(fixture::outcome())
        })
        .unwrap();

        assert_eq!(dir.outcome(), Some(fixture::outcome()));
        assert_eq!(dir.note().unwrap().status, Status::Done);
        let attempts = dir.provenance().attempts;
        assert_eq!((attempts.len(), attempts[0].attempt), (1, 1));
        assert!(attempts[0].ended.is_some());
        assert!(matches!(dir.claim().unwrap(), Claim::Ours(_)));
    }

    #[test]
    fn an_input_that_changed_after_the_plan_is_an_error_with_its_name() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("prompt.jinja");
        fs::write(&path, "planned").unwrap();
        let mut work = job("eval-1", &[]).work;
        let digest = Digest::of_file(&path).unwrap();
        let content = Content {
            path: path.clone(),
            stamp: None,
        };
        work.digests.insert("prompt".to_owned(), digest);
        work.contents.insert("prompt".to_owned(), content);
        compare_inputs(&work).unwrap();

        fs::write(&path, "edited").unwrap();

        let error = compare_inputs(&work).unwrap_err().to_string();
        let named = format!("`{}` (`prompt`) has changed", path.display());
        assert!(error.starts_with(&named), "{error}");
        fs::remove_file(&path).unwrap();
        assert!(compare_inputs(&work).is_err());
    }

    #[test]
    fn a_job_that_is_done_is_not_run_again() {
        let (_root, dir) = folder(&[]);
        dir.write_outcome(&fixture::outcome()).unwrap();

        run_job(&dir, |_| panic!("it is done")).unwrap();
    }

    #[test]
    fn a_job_that_another_process_runs_is_an_error() {
        let (_root, dir) = folder(&[]);
        let _lock = dir.claim().unwrap();

        let error = run_job(&dir, |_| panic!("it is held")).unwrap_err();

        let WorkerError::Held { owner: Some(owner) } = error else {
            panic!("{error}")
        };
        assert_eq!(owner.pid, std::process::id());
    }

    #[test]
    fn a_job_does_not_start_before_the_job_that_it_builds_on_is_done() {
        let (_root, dir) = folder(&["train-1"]);
        let upstream = dir.sibling(&JobId("train-1".into()));
        upstream.prepare(&job("train-1", &[])).unwrap();

        let error = run_job(&dir, |_| panic!("it has no model")).unwrap_err();
        assert_eq!(
            error.to_string(),
            "job `train-1`, which this one builds on, is not finished"
        );

        upstream.write_outcome(&fixture::outcome()).unwrap();
        run_job(&dir, |_| Ok(fixture::outcome())).unwrap();
    }

    #[test]
    fn a_job_whose_folder_was_removed_meanwhile_is_not_done() {
        let (_root, dir) = folder(&[]);

        let ended = run_job(&dir, |context| {
            fs::remove_dir_all(context.dir.path()).unwrap();
            // What a worker does that saves a checkpoint.
            fs::create_dir_all(context.dir.checkpoints()).unwrap();
            Ok(fixture::outcome())
        });

        assert!(matches!(ended, Err(WorkerError::FolderRemoved { .. })));
        assert_eq!(dir.outcome(), None);
    }

    #[test]
    fn a_job_whose_folder_is_removed_stops_soon_and_writes_nothing_there() {
        let (_root, dir) = folder(&[]);
        let stop = StopFlag::default();

        let ended = run_with(dir.path(), ORIGIN, stop.clone(), |context| {
            assert!(context.progress.check_folder().is_ok());
            fs::remove_dir_all(context.dir.path()).unwrap();
            assert!(context.progress.check_folder().is_err());
            let begun = std::time::Instant::now();
            while !stop.is_set() && begun.elapsed().as_secs() < 60 {
                context.progress.report(1, 2, "");
                std::thread::sleep(std::time::Duration::from_millis(20));
            }
            assert!(context.stop.is_set());
            Err(WorkerError::Stopped)
        });

        assert!(matches!(ended, Err(WorkerError::FolderRemoved { .. })));
        assert!(!dir.path().exists());
    }

    #[test]
    fn a_worker_leaves_the_folder_alone_that_another_one_has_made_in_its_place() {
        let (_root, dir) = folder(&[]);

        let ended = run_job(&dir, |context| {
            fs::remove_dir_all(context.dir.path()).unwrap();
            context.dir.prepare(context.job).unwrap();
            let _other = context.dir.claim().unwrap();
            assert!(context.progress.check_folder().is_err());
            Ok(fixture::outcome())
        });

        assert!(matches!(ended, Err(WorkerError::FolderRemoved { .. })));
        assert_eq!((dir.note(), dir.outcome()), (None, None));
    }

    #[test]
    fn a_failure_is_recorded_with_its_causes() {
        let (_root, dir) = folder(&[]);

        let error = run_job(&dir, |context| {
            context.progress.report(3, 10, "loss 1.5");
            let path = context.dir.metrics();
            let source = std::io::Error::from_raw_os_error(28);
            Err(crate::disk::DiskError::Write { path, source }.into())
        });

        assert!(error.is_err());
        let JobState::Failed { reason } = dir.state().unwrap() else {
            panic!("it failed")
        };
        assert!(reason.starts_with("cannot write `"), "{reason}");
        assert!(reason.contains("No space left on device"), "{reason}");
        assert_eq!(dir.note().unwrap().progress.unwrap().step, 3);
    }

    #[test]
    fn a_stopped_job_can_be_resumed() {
        let (_root, dir) = folder(&[]);
        fs::write(dir.samples(), "{\"step\":0}\n").unwrap();

        let error = run_job(&dir, |context| {
            context.progress.report(4, 10, "");
            Err(WorkerError::Stopped)
        })
        .unwrap_err();

        assert!(matches!(error, WorkerError::Stopped));
        assert_eq!(dir.state().unwrap(), JobState::Resumable { step: 4 });
    }

    #[test]
    fn an_unreadable_outcome_is_not_reported_as_success() {
        let (_root, dir) = folder(&[]);
        let Outcome::Eval(mut outcome) = fixture::outcome() else {
            panic!("an evaluation")
        };
        outcome.metrics.insert("pass@1".into(), f64::INFINITY);

        let ended = run_job(&dir, |_| Ok(Outcome::Eval(outcome)));

        assert!(ended.is_err());
        assert!(matches!(dir.state().unwrap(), JobState::Failed { .. }));
    }

    #[test]
    fn every_attempt_is_in_the_provenance() {
        let (_root, dir) = folder(&[]);
        for attempt in 1..=3 {
            let origin = Origin {
                attempt: Some(attempt),
                parent: None,
                sharing: Sharing::default(),
            };
            let _ = run_with(dir.path(), origin, StopFlag::default(), |_| {
                Err(WorkerError::Stopped)
            });
        }

        let attempts = dir.provenance().attempts;
        assert_eq!(
            attempts.iter().map(|a| a.attempt).collect::<Vec<_>>(),
            [1, 2, 3]
        );
    }

    #[test]
    fn a_folder_without_a_job_is_an_error() {
        let folder = tempfile::tempdir().unwrap();

        let error = run_with(folder.path(), ORIGIN, StopFlag::default(), |_| {
            panic!("no job")
        })
        .unwrap_err();

        assert!(matches!(error, WorkerError::NoJob { .. }));
    }
}
