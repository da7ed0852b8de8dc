//! Why a job ended without an outcome.

use std::{io, path::PathBuf};

use crate::{
    device::Unavailable,
    plan::JobId,
    results::{Owner, ResultsError},
};

/// Why a job ended without an outcome.
#[derive(Debug, thiserror::Error)]
pub enum WorkerError {
    /// It was asked to stop, and has saved what it had.
    #[error("stopped on request; started again, the job goes on")]
    Stopped,
    /// Another process runs the job.
    #[error("the job is run by {}", owner_in_words(owner.as_ref()))]
    Held {
        /// The process, if the lock says so.
        owner: Option<Owner>,
    },
    /// A job that this one builds on has no outcome.
    #[error("job `{upstream}`, which this one builds on, is not finished")]
    UpstreamNotFinished {
        /// That job.
        upstream: JobId,
    },
    /// The folder holds no job.
    #[error("`{path}` holds no job: it has no `job.json`")]
    NoJob {
        /// The folder.
        path: PathBuf,
    },
    /// There is no such folder.
    #[error("cannot open the job folder `{path}`")]
    OpenFolder {
        /// The folder.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// Signals cannot be waited for.
    #[error("cannot listen for signals")]
    ListenForSignals(#[source] io::Error),
    /// The system does not tell when the parent ends.
    #[error("cannot watch the process that started this one")]
    WatchParent(#[source] io::Error),
    /// The process that started this one is gone.
    #[error("process {parent}, which started this one, is gone")]
    Orphaned {
        /// That process.
        parent: u32,
    },
    /// A file of the job folder cannot be written or read.
    #[error(transparent)]
    Results(#[from] ResultsError),
    /// The device is not there.
    #[error(transparent)]
    Device(#[from] Unavailable),
    /// The work of this kind of job is not part of the program yet.
    #[error("jobs of kind `{0}` cannot be run yet")]
    NotWritten(&'static str),
}

fn owner_in_words(owner: Option<&Owner>) -> String {
    owner.map_or_else(|| "another process".to_owned(), ToString::to_string)
}
