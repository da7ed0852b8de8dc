//! The errors of a training.

use std::{io, path::PathBuf};

use crate::{
    model::ModelError,
    ranks::RankError,
    reward::{JudgeError, RewardError},
};

/// The reason why a training has no result.
#[derive(Debug, thiserror::Error)]
pub enum TrainError {
    /// The settings, or the settings and the rows together, make no sense.
    #[error("cannot train: {0}")]
    Settings(String),
    /// A row does not fit into the model.
    #[error("row `{id}` has `{tokens}` tokens to learn, but the model reads at most `{limit}`")]
    RowTooLong {
        /// The row.
        id: String,
        /// The number of tokens after its prompt.
        tokens: usize,
        /// The longest sequence that the model reads.
        limit: usize,
    },
    /// The model could not be read, written or sampled from.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// The processes of the training cannot go on together.
    #[error(transparent)]
    Ranks(#[from] RankError),
    /// The unit tests of a row cannot be used.
    #[error("the unit tests of `{row}` cannot be used")]
    Tests {
        /// The row.
        row: String,
        /// The cause.
        source: JudgeError,
    },
    /// The completions of a step have no reward.
    #[error("cannot reward the completions of step {step}")]
    Reward {
        /// The step.
        step: usize,
        /// The cause.
        source: RewardError,
    },
    /// A remote teacher does not say how likely the completions of a step are. The state before the step is
    /// saved.
    #[error(
        "the teacher does not judge the completions of step {step}; the same command repeats this step and goes on"
    )]
    Teacher {
        /// The step.
        step: usize,
        /// The cause.
        source: io::Error,
    },
    /// The observer could not write a record.
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
    /// The model could not be evaluated.
    #[error("cannot evaluate the model of step {step}")]
    Evaluate {
        /// The step.
        step: usize,
        /// The cause.
        source: io::Error,
    },
    /// The checkpoint with the weights of the result cannot be used.
    #[error("the best checkpoint `{}` cannot be used: {reason}", path.display())]
    LoseBest {
        /// Its folder.
        path: PathBuf,
        /// The reason.
        reason: String,
    },
    /// Too many updates in a row had a loss or a gradient that is not finite.
    #[error("`{count}` updates in a row had no finite loss and gradient, the last in step {step}")]
    Diverged {
        /// The number of updates.
        count: usize,
        /// The step of the last.
        step: usize,
    },
}
