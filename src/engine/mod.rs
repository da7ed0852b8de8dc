//! Carrying out a plan: here, or in a queue.
//!
//! An engine decides where all jobs of a plan run; a [`Launcher`](crate::launch::Launcher) starts one worker on this
//! machine. `local` runs the jobs as child processes and waits for them. `slurm` submits them and returns. Each job is
//! run by a [`Scheduler`](crate::schedule::Scheduler) in the end, so that resuming, attempts and locks are the same.
//! Another queue is one more folder here.

mod local;
pub mod slurm;

use crate::{
    disk::DiskError,
    plan::Plan,
    results::ResultsError,
    schedule::{ScheduleError, Summary},
};

use slurm::{SlurmError, Submission};

/// A place where plans are carried out.
pub trait Engine {
    /// Sees to it that the jobs of a plan that are not done get done.
    fn carry_out(&mut self, plan: &Plan) -> Result<CarriedOut, EngineError>;
}

/// What has become of a plan.
#[derive(Debug)]
pub enum CarriedOut {
    /// Its jobs have ended.
    Ended(Summary),
    /// Its jobs are in a queue, and nothing has to stay alive.
    Submitted(Submission),
}

/// Why a plan was not carried out; the failure of one job is a part of the summary instead.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// The jobs cannot be put in an order.
    #[error(transparent)]
    Schedule(#[from] ScheduleError),
    /// Slurm does not take them.
    #[error(transparent)]
    Slurm(#[from] SlurmError),
    /// A job folder cannot be read or written.
    #[error(transparent)]
    Results(#[from] ResultsError),
    /// A file cannot be read or written.
    #[error(transparent)]
    Disk(#[from] DiskError),
}
