//! Grid to jobs: their identity and their order.
//!
//! A plan is a function of an experiment and of the digests of the files that it reads. It reads no
//! results and no clock.

mod baseline;
mod build;
mod content;
mod difference;
mod findings;
mod identity;
mod inputs;
mod job;
mod labels;
mod memory;
#[cfg(test)]
pub(crate) mod tests;

use std::{collections::BTreeMap, io, path::PathBuf};

use serde::{Deserialize, Serialize};

use crate::{
    eval::EvalError,
    reward::Mix,
    spec::{Experiment, TableSettings},
};

pub use content::Content;
pub use difference::{Difference, Kind as DifferenceKind, differences, leaves_of};
pub use inputs::{Input, Inputs, Missing, ProjectInputs};
pub use job::{Job, JobId, JobKind, RECIPE_VERSION, Start, Task, TrainEval, Work};
pub use labels::labels;
pub use memory::Memory;

/// All jobs of an experiment, and what they are for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// The experiment's name.
    pub experiment: String,
    /// What the experiment is meant to show; may be empty.
    pub description: String,
    /// The paths in which points differ, in the order of the spec.
    pub axes: Vec<String>,
    /// The table to fill.
    pub table: TableSettings,
    /// The file of printed figures to compare with, if the table names one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reference: Option<Input>,
    /// The points of the grid, one for each seed; baselines that the grid lacks come first.
    pub cells: Vec<Cell>,
    /// The jobs, each after those that it needs.
    pub jobs: Vec<Job>,
    /// What is missing on this machine.
    pub missing: Vec<Missing>,
}

/// A point of the grid with one seed, and its jobs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Cell {
    /// The values of the axes; a baseline that was added lacks those of training.
    pub point: BTreeMap<String, serde_json::Value>,
    /// The seed of the run.
    pub seed: u64,
    /// The base model: a name, a folder, `scratch`, or the name of a remote model at its endpoint.
    pub model: String,
    /// `untrained`, or the algorithm's name.
    pub method: String,
    /// The reward that the last training learns from, if it has one.
    pub reward: Option<Mix>,
    /// The last training; nothing for an untrained model.
    pub train: Option<JobId>,
    /// The evaluations, by benchmark.
    pub evals: BTreeMap<String, JobId>,
    /// The evaluations that this cell's are compared with, by benchmark; empty without a baseline.
    pub baseline: BTreeMap<String, JobId>,
    /// Whether others are compared with this cell.
    pub is_baseline: bool,
}

impl Plan {
    /// Plans an experiment.
    pub fn new(experiment: &Experiment, inputs: &dyn Inputs) -> Result<Self, PlanError> {
        build::build(experiment, inputs)
    }

    /// The job of a name.
    pub fn job(&self, id: &JobId) -> Option<&Job> {
        self.jobs.iter().find(|job| job.id == *id)
    }

    /// What the results of all jobs depend on, by their names.
    pub fn identities(&self) -> BTreeMap<&JobId, &serde_json::Value> {
        let jobs = self.jobs.iter();
        jobs.map(|job| (&job.id, &job.identity)).collect()
    }

    /// Whether a cell needs a job: one of its evaluations, its training, or a training before that.
    pub fn needs(&self, cell: &Cell, id: &JobId) -> bool {
        let mut next = cell.train.as_ref();
        while let Some(training) = next {
            if training == id {
                return true;
            }
            next = self.job(training).and_then(|job| job.after.first());
        }
        cell.evals.values().any(|eval| eval == id)
    }
}

/// Why there is no plan.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    /// A file that the experiment names could not be read.
    #[error("cannot read `{}` for its digest", path.display())]
    Digest {
        /// The file or folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Two different jobs have the same name.
    #[error(
        "the jobs `{}` and `{}` differ, and the first digits of their digests do not: both would be `{id}`; \
         change the seed of one of them",
        jobs[0], jobs[1]
    )]
    SameName {
        /// The name.
        id: JobId,
        /// The jobs, in a few words.
        jobs: [String; 2],
    },
    /// The experiment names a benchmark that does not exist.
    #[error(transparent)]
    Benchmark(#[from] EvalError),
}
