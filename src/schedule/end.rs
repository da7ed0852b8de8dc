//! How jobs ended.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::plan::JobId;

/// How a job ended, for this run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "end", rename_all = "snake_case")]
pub enum End {
    /// It was done before.
    Reused,
    /// It is done now.
    Done,
    /// Its last attempt failed.
    Failed {
        /// Why.
        reason: String,
    },
    /// A job that it needs has failed.
    Blocked {
        /// That job.
        by: JobId,
    },
    /// It was interrupted, or not started because the run was.
    Stopped,
}

impl End {
    /// Whether its outcome is there.
    pub fn is_done(&self) -> bool {
        matches!(self, Self::Reused | Self::Done)
    }
}

/// How all jobs ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Summary {
    /// Each job's end.
    pub ends: BTreeMap<JobId, End>,
}

impl Summary {
    /// Whether a job was stopped, so that work is left that did not fail.
    pub fn is_stopped(&self) -> bool {
        self.ends.values().any(|end| *end == End::Stopped)
    }

    /// How many jobs failed, or could not run because another one failed.
    pub fn unsuccessful(&self) -> usize {
        let failed = |end: &&End| matches!(end, End::Failed { .. } | End::Blocked { .. });
        self.ends.values().filter(failed).count()
    }
}
