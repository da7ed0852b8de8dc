//! What can go wrong while training.

use std::{io, path::PathBuf};

use crate::model::ModelError;

/// Why a training ended without a trained model.
#[derive(Debug, thiserror::Error)]
pub enum TrainError {
    /// The settings or the rows make no sense together.
    #[error("cannot train: {0}")]
    Settings(String),
    /// A row does not fit into the model.
    #[error("row `{id}` has `{tokens}` tokens to learn, the model reads at most `{limit}`")]
    RowTooLong {
        /// The row.
        id: String,
        /// The length of its target.
        tokens: usize,
        /// The model's longest sequence.
        limit: usize,
    },
    /// The model could not be read, written or sampled from.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// The observer could not take a record.
    #[error("cannot record step {step}")]
    Observe {
        /// The step.
        step: usize,
        /// The cause.
        source: io::Error,
    },
    /// A checkpoint could not be written.
    #[error("cannot write the checkpoint `{}`", path.display())]
    WriteCheckpoint {
        /// The folder.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// The folder of checkpoints could not be read.
    #[error("cannot look for checkpoints in `{}`", path.display())]
    ReadCheckpoints {
        /// The folder.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// The model could not be measured.
    #[error("cannot measure the model of step {step}")]
    Evaluate {
        /// The step.
        step: usize,
        /// The cause.
        source: io::Error,
    },
    /// The checkpoint whose weights the model is to have cannot be used.
    #[error("the best checkpoint `{}` cannot be used: {reason}", path.display())]
    LoseBest {
        /// Its folder.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// Too many updates in a row had a loss or a gradient that is no number.
    #[error("`{count}` updates in a row had no finite loss and gradient, the last in step {step}")]
    Diverged {
        /// How many.
        count: usize,
        /// The step of the last.
        step: usize,
    },
}
