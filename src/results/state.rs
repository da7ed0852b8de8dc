//! How far a job is: what its worker wrote down, and what follows from the folder.

use serde::{Deserialize, Serialize};

use super::{Owner, Timestamp};

/// How far a running job is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    /// Steps that are done.
    pub step: u64,
    /// Steps in all.
    pub of: u64,
    /// What a person wants to know of the last step, such as `reward 1.31`.
    pub message: String,
}

/// What a worker says about itself in `state.json`: a note, not the truth.
///
/// The truth is the outcome and the lock, which no dying process can get wrong.
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

/// What a worker says that it does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// It works.
    Running,
    /// It has stopped because it was asked to, and can go on.
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
    /// Nothing of use is there.
    New,
    /// It was interrupted, and goes on after a step.
    Resumable {
        /// The steps that need not be done again.
        step: u64,
    },
    /// A process holds its lock.
    Running {
        /// The process, if the lock says so.
        owner: Option<Owner>,
        /// How far it is, if it has said so.
        progress: Option<Progress>,
    },
    /// The last attempt failed; another one may go on where it was.
    Failed {
        /// Why.
        reason: String,
    },
    /// Its outcome is there.
    Done,
}
