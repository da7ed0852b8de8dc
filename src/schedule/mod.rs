//! Which job runs now, retries, resuming, events.
//!
//! It starts commands through a launcher and reads job folders; it knows neither tensors nor
//! terminals. Start it from the main thread: workers are told when the thread that started them
//! ends.

mod event;
mod run;
#[cfg(test)]
mod tests;
mod track;

use std::time::Duration;

pub use event::{Event, Listener};
pub use run::{End, Summary};

use crate::{
    launch::Launcher,
    plan::{Job, JobId},
    results::Store,
};

/// A job, and what was hashed for its name.
#[derive(Clone, Copy, Debug)]
pub struct Task<'a> {
    /// The job.
    pub job: &'a Job,
    /// What was hashed.
    pub identity: &'a serde_json::Value,
}

/// How jobs are run; none of it changes what comes out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// How many jobs run at once.
    pub slots: usize,
    /// How often a job that failed is started again.
    pub retries: u32,
    /// The time between two looks at the workers.
    pub interval: Duration,
    /// How long workers have to end when they are asked to, before they are killed.
    pub patience: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            slots: 1,
            retries: 0,
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
    /// Who hears of what happens.
    pub listener: &'a mut dyn Listener,
    /// How often the user has asked to stop so far: once to end in order, twice to end at once.
    pub stop_requests: &'a mut dyn FnMut() -> usize,
    /// How.
    pub settings: Settings,
}

impl std::fmt::Debug for Scheduler<'_> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Scheduler")
            .field("store", &self.store)
            .finish_non_exhaustive()
    }
}

/// Why nothing could be scheduled; what goes wrong with one job is an [`Event`] instead.
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
