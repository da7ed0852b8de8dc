//! Slurm: submits the graph of a plan, and returns.
//!
//! Jobs of one shape are tasks of arrays. A task that builds on a training waits for its own training alone
//! (`aftercorr`). A task runs `recode slurm-task`, which runs its job as `recode run` would, in the same folder.
//! [`Ticket`]s in the job folders say what was submitted, so that another `recode run`, by anybody who shares the
//! results, submits only what is missing. The job folders are the truth, the queue only says what a job waits for.

mod arrays;
mod client;
mod error;
mod script;
mod submit;
mod survey;
mod task;
#[cfg(test)]
mod tests;
mod ticket;

use std::path::PathBuf;

use super::{CarriedOut, Engine, EngineError};
use crate::{
    plan::Plan,
    results::Store,
    spec::{Needs, SlurmSettings},
};

pub use client::{Client, Facts};
pub use error::SlurmError;
pub use script::quoted;
pub use submit::Submission;
pub use survey::{Standing, Survey, record_ends};
pub use task::{Allocation, task_of};
pub use ticket::Ticket;

/// The name of all our jobs in the queue.
const JOB_NAME: &str = "recode";

/// A Slurm cluster that carries out plans.
#[derive(Debug)]
pub struct Slurm<'a> {
    /// The results, on a file system that the nodes share.
    pub store: &'a Store,
    /// How Slurm is asked.
    pub client: Client,
    /// This program, on a file system that the nodes share.
    pub program: PathBuf,
    /// What a job needs.
    pub needs: &'a Needs,
    /// How jobs are submitted.
    pub settings: &'a SlurmSettings,
    /// How often a failed job is started again by its task.
    pub retries: u32,
    /// How many processes share each job.
    pub ranks: usize,
    /// On how many nodes they are.
    pub nodes: usize,
    /// The arguments of `recode slurm-task` that say so.
    pub sharing: Vec<String>,
    /// The arguments of this program that print the table, for the job at the end.
    pub report: Vec<String>,
}

impl Engine for Slurm<'_> {
    fn carry_out(&mut self, plan: &Plan) -> Result<CarriedOut, EngineError> {
        Ok(CarriedOut::Submitted(self.submit(plan)?))
    }
}
