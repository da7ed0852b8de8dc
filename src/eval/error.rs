//! Errors of an evaluation.

use std::{io, path::PathBuf};

use thiserror::Error;

use crate::{
    data::DataError, model::ModelError, ranks::RankError, remote::RemoteError, sandbox::PythonError,
};

/// Why an evaluation failed. A wrong solution is not an error.
#[derive(Debug, Error)]
pub enum EvalError {
    /// The processes of the evaluation cannot go on together.
    #[error(transparent)]
    Ranks(#[from] RankError),
    /// There is no such benchmark.
    #[error("unknown benchmark `{name}`, expected one of {expected}")]
    UnknownBenchmark {
        /// The unknown name.
        name: String,
        /// The known names.
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
        /// What is wrong, by task.
        reasons: Vec<String>,
    },
    /// A file of samples could not be read, or names unknown tasks.
    #[error("cannot read the samples")]
    Samples(#[source] DataError),
    /// The benchmark has no such task.
    #[error("unknown task `{task}`")]
    UnknownTask {
        /// The unknown task.
        task: String,
    },
    /// A solution could not be judged.
    #[error("cannot judge a solution of `{task}`")]
    Judge {
        /// The task.
        task: String,
        /// What failed.
        #[source]
        source: PythonError,
    },
    /// The prompt of a task could not be rendered.
    #[error("cannot render the prompt of task `{task}`")]
    Prompt {
        /// The task.
        task: String,
        /// What is wrong with the template.
        #[source]
        source: DataError,
    },
    /// The model could not generate completions.
    #[error("the model cannot complete the prompts")]
    Model(#[source] ModelError),
    /// A remote model did not answer.
    #[error("no completion of `{task}`")]
    Remote {
        /// The task.
        task: String,
        /// Why not; the text does not contain the key.
        #[source]
        source: RemoteError,
    },
    /// The samples could not be written.
    #[error("cannot write the samples")]
    Keep(#[source] io::Error),
    /// The evaluation was stopped on request.
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
