//! What happens while jobs run.

use std::path::PathBuf;

use serde::Serialize;

use crate::{
    plan::JobId,
    results::{Owner, Progress},
};

/// Something that happened to a job.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// An earlier run has done it.
    Reused {
        /// The job.
        job: JobId,
    },
    /// It will run.
    Queued {
        /// The job.
        job: JobId,
    },
    /// Another process runs it; its outcome will be used.
    Held {
        /// The job.
        job: JobId,
        /// The process, if the lock file names it.
        owner: Option<Owner>,
    },
    /// A worker was started.
    Started {
        /// The job.
        job: JobId,
        /// Which start of the job this is.
        attempt: u32,
        /// The steps that an earlier attempt has done.
        step: u64,
    },
    /// It has made progress.
    Progress {
        /// The job.
        job: JobId,
        /// How far.
        progress: Progress,
    },
    /// Its outcome is there.
    Done {
        /// The job.
        job: JobId,
        /// How long this attempt took.
        seconds: f64,
    },
    /// An attempt failed.
    Failed {
        /// The job.
        job: JobId,
        /// Which attempt; 0 if it could not even be started.
        attempt: u32,
        /// Why.
        reason: String,
        /// The log of the worker, if there was one.
        log: Option<PathBuf>,
        /// Whether another attempt follows.
        again: bool,
        /// The pause before that.
        wait_seconds: u64,
        /// Whether none follows because it would fail in the same way.
        is_hopeless: bool,
    },
    /// It cannot run, because a job that it needs has failed.
    Blocked {
        /// The job.
        job: JobId,
        /// The job that failed.
        by: JobId,
    },
    /// The user has asked to stop; so many workers are finishing their step.
    Stopping {
        /// How many.
        running: usize,
    },
    /// Its worker has ended on request; started again, the job continues.
    Stopped {
        /// The job.
        job: JobId,
    },
}

/// Receives events.
pub trait Listener {
    /// Handles an event.
    fn hear(&mut self, event: &Event);
}

impl<F: FnMut(&Event)> Listener for F {
    fn hear(&mut self, event: &Event) {
        self(event);
    }
}
