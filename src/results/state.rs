//! How far a job is: the worker's note, and the state that follows from the folder.

use serde::{Deserialize, Serialize};

use super::{Owner, Timestamp};

/// How far a running job is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    /// Steps that are done.
    pub step: u64,
    /// Steps in all.
    pub of: u64,
    /// The last step in a few words, such as `reward 1.31`.
    pub message: String,
}

/// A worker's note about itself in `state.json`; not the truth.
///
/// The outcome and the lock are the truth: a process that dies cannot get them wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Note {
    /// What the worker was doing.
    pub status: Status,
    /// Which start of the job this is, from 1.
    pub attempt: u32,
    /// The worker.
    pub owner: Owner,
    /// When this was written.
    pub heartbeat: Timestamp,
    /// How far it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub progress: Option<Progress>,
    /// Why it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// What a worker does by its own account.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// It works.
    Running,
    /// It has stopped on request and can continue.
    Stopped,
    /// It has failed.
    Failed,
    /// The outcome is written.
    Done,
}

/// The state of a job, derived from its folder.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum JobState {
    /// Nothing useful is there.
    New,
    /// It was interrupted and continues after a step.
    Resumable {
        /// The steps that are not repeated.
        step: u64,
    },
    /// A process holds its lock.
    Running {
        /// The process, if the lock file names it.
        owner: Option<Owner>,
        /// How far it is, if it has noted that.
        progress: Option<Progress>,
    },
    /// The last attempt failed; the next one may continue from its last checkpoint.
    Failed {
        /// Why.
        reason: String,
    },
    /// Its outcome is there.
    Done,
}
