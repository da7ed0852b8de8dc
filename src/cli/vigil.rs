//! Waiting for the end of a job.

use std::time::{Duration, Instant};

use super::{
    exit::{Exit, Failure},
    output,
};
use crate::results::{JobDir, JobState};

/// The time between two polls.
pub(super) const PAUSE: Duration = Duration::from_millis(300);

/// How long to wait for a job that no worker runs: a failed worker may be started again, and a new
/// one needs a moment to take the lock.
const GRACE: Duration = Duration::from_secs(3);

/// Polls the state of a job.
#[derive(Debug)]
pub(super) struct Vigil {
    dir: JobDir,
    /// Since when no worker has run it.
    idle: Option<Instant>,
}

impl Vigil {
    /// Starts to wait. If the job was never started, a line on stderr says so.
    pub(super) fn begin(dir: JobDir) -> Self {
        if dir.last_attempt() == 0 {
            let text = format!("`{}` has not been started; waiting for it", dir.id());
            output::error_line(&text);
        }
        Self { dir, idle: None }
    }

    /// The job's state, and whether the job is over. A job that was never started is not over.
    pub(super) fn poll(&mut self, now: Instant) -> Result<(JobState, bool), Failure> {
        let state = self.dir.state();
        let state = state.map_err(|error| Failure::new(Exit::Missing, &error))?;
        let is_over = match &state {
            JobState::Done => true,
            JobState::Running { .. } => {
                self.idle = None;
                false
            }
            _ if self.dir.last_attempt() == 0 => false,
            _ => now.duration_since(*self.idle.get_or_insert(now)) >= GRACE,
        };
        Ok((state, is_over))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        plan::{JobId, tests::fixture::job},
        results::{Store, tests::fixture},
    };

    #[test]
    fn a_job_is_over_when_it_is_done_or_no_worker_runs_it() {
        let root = tempfile::tempdir().unwrap();
        let dir = Store::new(root.path()).job_dir(&JobId("eval-1".into()));
        dir.prepare(&job("eval-1", &[])).unwrap();
        let start = Instant::now();
        let mut vigil = Vigil::begin(dir.clone());
        let mut is_over = |second| vigil.poll(start + Duration::from_secs(second)).unwrap().1;

        assert!(!is_over(0));
        assert!(!is_over(60), "it waits for its turn");
        dir.new_attempt().unwrap();
        assert!(!is_over(61), "its worker is about to take the lock");
        let lock = dir.claim().unwrap();
        assert!(!is_over(99));
        drop(lock);
        assert!(!is_over(100));
        assert!(!is_over(102), "it may be tried again");
        let lock = dir.claim().unwrap();
        assert!(!is_over(104));
        drop(lock);
        assert!(!is_over(200));
        assert!(is_over(203));
        dir.write_outcome(&fixture::outcome()).unwrap();
        assert!(is_over(204));
    }
}
