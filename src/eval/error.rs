//! What can go wrong when a model is measured.

use std::{io, path::PathBuf};

use thiserror::Error;

use crate::{data::DataError, model::ModelError, remote::RemoteError, sandbox::PythonError};

/// Why a benchmark could not be used; a wrong solution is none of these.
#[derive(Debug, Error)]
pub enum EvalError {
    /// There is no such benchmark.
    #[error("unknown benchmark `{name}`, expected one of {expected}")]
    UnknownBenchmark {
        /// What was asked for.
        name: String,
        /// The names there are.
        expected: String,
    },
    /// The benchmark's file could not be read.
    #[error("cannot read the tasks of benchmark `{benchmark}`")]
    Data {
        /// The benchmark.
        benchmark: String,
        /// What is wrong with the file.
        #[source]
        source: DataError,
    },
    /// Some tasks of the file cannot be judged.
    #[error("`{path}` has tasks that cannot be judged: {}", reasons.join("; "))]
    Tasks {
        /// The file.
        path: PathBuf,
        /// What is wrong, a text a task.
        reasons: Vec<String>,
    },
    /// A file of samples could not be read, or names tasks that are not there.
    #[error("cannot read the samples")]
    Samples(#[source] DataError),
    /// The benchmark has no such task.
    #[error("unknown task `{task}`")]
    UnknownTask {
        /// The identifier that was asked for.
        task: String,
    },
    /// No verdict could be reached.
    #[error("cannot judge a solution of `{task}`")]
    Judge {
        /// The task.
        task: String,
        /// What failed.
        #[source]
        source: PythonError,
    },
    /// A task could not be put to the model.
    #[error("cannot put task `{task}` to the model")]
    Prompt {
        /// The task.
        task: String,
        /// What is wrong with the template.
        #[source]
        source: DataError,
    },
    /// The model could not answer.
    #[error("the model cannot complete the prompts")]
    Model(#[source] ModelError),
    /// A remote model gave no answer to a task.
    #[error("no completion of `{task}`")]
    Remote {
        /// The task.
        task: String,
        /// Why not; it does not show the key.
        #[source]
        source: RemoteError,
    },
    /// The samples could not be kept.
    #[error("cannot keep the samples")]
    Keep(#[source] io::Error),
    /// It was asked to stop.
    #[error("stopped on request")]
    Stopped,
}

impl From<ModelError> for EvalError {
    fn from(error: ModelError) -> Self {
        match error {
            ModelError::Interrupted => Self::Stopped,
            error => Self::Model(error),
        }
    }
}
