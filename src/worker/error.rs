//! Why a job ended without an outcome.

use std::{io, path::PathBuf};

use crate::{
    data::DataError,
    device::Unavailable,
    disk::DiskError,
    eval::EvalError,
    model::ModelError,
    plan::JobId,
    remote::NoKey,
    results::{Owner, ResultsError},
    sandbox::PythonError,
    train::TrainError,
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
    /// Texts have no target code that a reward could compare with.
    #[error("the data are texts with `prompt` and `completion`, which only SFT can learn from")]
    TextsHaveNoTarget,
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
    /// A log or a view of it cannot be written or read.
    #[error(transparent)]
    Disk(#[from] DiskError),
    /// The device is not there.
    #[error(transparent)]
    Device(#[from] Unavailable),
    /// A remote model cannot be asked without a key.
    #[error(transparent)]
    Key(#[from] NoKey),
    /// What the job learns from cannot be read.
    #[error(transparent)]
    Data(#[from] DataError),
    /// The model cannot be read or written.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// The training diverged.
    #[error("the training has diverged; what its last updates were to learn is in `{path}`")]
    Diverged {
        /// The file.
        path: PathBuf,
        /// How often and when.
        source: TrainError,
    },
    /// The training failed.
    #[error(transparent)]
    Train(#[from] TrainError),
    /// The evaluation failed.
    #[error(transparent)]
    Eval(EvalError),
    /// Programs cannot be run.
    #[error(transparent)]
    Python(#[from] PythonError),
    /// A trained model cannot be hashed.
    #[error("cannot read the trained model in `{path}`")]
    Hash {
        /// The folder.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The job whose model this one starts from trained none.
    #[error("job `{0}` is no training, there is no model to start from")]
    NoModel(JobId),
}

fn owner_in_words(owner: Option<&Owner>) -> String {
    owner.map_or_else(|| "another process".to_owned(), ToString::to_string)
}

impl From<EvalError> for WorkerError {
    fn from(error: EvalError) -> Self {
        match error {
            EvalError::Stopped => Self::Stopped,
            error => Self::Eval(error),
        }
    }
}
