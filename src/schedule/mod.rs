//! Which job runs now, retries, resuming, events.
//!
//! It starts commands through a launcher and reads job folders; it knows neither tensors nor
//! terminals. Call it on the main thread: workers end with the thread that started them.

mod cause;
mod devices;
mod end;
mod event;
mod run;
#[cfg(test)]
mod tests;
mod track;
mod upstream;

use std::time::Duration;

pub use cause::Cause;
pub use end::{End, Summary};
pub use event::{Event, Listener};

use crate::{
    launch::{Launcher, Sharing},
    plan::JobId,
    results::Store,
};

/// How jobs are run; none of it changes results.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// How many jobs run at once.
    pub slots: usize,
    /// How processes share each job.
    pub sharing: Sharing,
    /// The GPUs that each job on a GPU backend gets; without a number, one for each of its processes.
    pub gpus: Option<u32>,
    /// How often a failed job is started again.
    pub retries: u32,
    /// The time before the first of these starts; each further one waits twice as long.
    pub pause: Duration,
    /// Whether the first job that has failed for good stops the run.
    pub fail_fast: bool,
    /// The time between two polls of the workers.
    pub interval: Duration,
    /// How long workers have to end on request before they are killed.
    pub patience: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            slots: 1,
            sharing: Sharing::default(),
            gpus: None,
            retries: 0,
            pause: Duration::from_secs(2),
            fail_fast: false,
            interval: Duration::from_millis(100),
            patience: Duration::from_secs(90),
        }
    }
}

/// What runs jobs.
pub struct Scheduler<'a> {
    /// The results.
    pub store: &'a Store,
    /// How workers are started.
    pub launcher: &'a mut dyn Launcher,
    /// Receives the events.
    pub listener: &'a mut dyn Listener,
    /// How often the user has asked to stop so far: the first time lets workers save, the second
    /// kills them.
    pub stop_requests: &'a mut dyn FnMut() -> usize,
    /// How jobs are run.
    pub settings: Settings,
    /// The GPUs of this machine by the names that their driver takes. No two jobs get the same one. If they are not
    /// known, the list is empty and none is assigned.
    pub devices: &'a [String],
}

impl std::fmt::Debug for Scheduler<'_> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Scheduler")
            .field("store", &self.store)
            .finish_non_exhaustive()
    }
}

/// Why nothing could be scheduled; the failure of one job is an [`Event`] instead.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum ScheduleError {
    /// A job waits for one that is neither planned nor done.
    #[error("job `{job}` needs `{upstream}`, which is neither planned nor done")]
    UnknownUpstream {
        /// The job.
        job: JobId,
        /// What it waits for.
        upstream: JobId,
    },
    /// Jobs wait for each other.
    #[error("jobs wait for each other: `{0}` can never start")]
    Cycle(JobId),
}
