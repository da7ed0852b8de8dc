//! One task of an array: which job it runs, and how it goes back into the queue.

use std::{env, fs, path::Path};

use super::{Client, SlurmError};
use crate::{disk::DiskError, engine::EngineError, plan::JobId};

/// The job number and the index that Slurm has given to this process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Allocation {
    /// The number of this task alone.
    pub job: String,
    /// The index within its array.
    pub task: u32,
}

impl Allocation {
    /// What the environment of this process says.
    pub fn from_environment() -> Result<Self, SlurmError> {
        let variable = |name: &'static str| env::var(name).map_err(|_| SlurmError::NoTask(name));
        let task = "SLURM_ARRAY_TASK_ID";
        Ok(Self {
            job: variable("SLURM_JOB_ID")?,
            task: variable(task)?
                .parse()
                .map_err(|_| SlurmError::NoTask(task))?,
        })
    }

    /// Puts the task back into the queue, after its job has saved. False if the task was cancelled, which is not
    /// undone, or if Slurm refuses.
    ///
    /// A task that is preempted and ends by itself counts as failed and is never started again: so it says itself
    /// that it goes on. The state of a cancelled one is not `RUNNING` any more.
    pub fn requeue(&self, client: &Client) -> bool {
        if client.state_of(&self.job).as_deref() != Some("RUNNING") {
            return false;
        }
        let requeued = client.requeue(&self.job);
        if let Err(error) = &requeued {
            tracing::warn!(%error, "this task does not go back into the queue");
        }
        requeued.is_ok()
    }
}

/// The job of a task, from the list that was written when its array was submitted.
pub fn task_of(list: &Path, task: u32) -> Result<JobId, EngineError> {
    let text = fs::read_to_string(list).map_err(DiskError::read(list))?;
    let job = |line: &str| {
        let (index, job) = line.split_once(' ')?;
        (index.parse() == Ok(task)).then(|| JobId(job.to_owned()))
    };
    let list = list.display().to_string();
    let unknown = SlurmError::UnknownTask { list, task };
    Ok(text.lines().find_map(job).ok_or(unknown)?)
}
