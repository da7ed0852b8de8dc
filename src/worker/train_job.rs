//! A training as a job.

use super::{Context, WorkerError};
use crate::{plan::TrainWork, results::Outcome};

/// Trains the model of `work`, from its last checkpoint if there is one.
pub(super) fn train_job(context: Context<'_>, work: &TrainWork) -> Result<Outcome, WorkerError> {
    let _ = (context, work);
    Err(WorkerError::NotWritten("train"))
}
