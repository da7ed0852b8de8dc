//! An evaluation as a job.

use super::{Context, WorkerError};
use crate::{plan::EvalWork, results::Outcome};

/// Measures the model of `work`, from the first task whose samples are not there.
pub(super) fn eval_job(context: Context<'_>, work: &EvalWork) -> Result<Outcome, WorkerError> {
    let _ = (context, work);
    Err(WorkerError::NotWritten("eval"))
}
