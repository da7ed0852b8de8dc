//! What came out of a job: the same, byte for byte, however often it was interrupted.
//!
//! Nothing here may differ between equal runs: times, machines and paths belong to the provenance.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::digest::Digest;

/// The result of a job.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Of a training.
    Train(TrainOutcome),
    /// Of an evaluation.
    Eval(EvalOutcome),
}

impl Outcome {
    /// The outcome of an evaluation, if it is one.
    pub fn as_eval(&self) -> Option<&EvalOutcome> {
        match self {
            Self::Eval(outcome) => Some(outcome),
            Self::Train(_) => None,
        }
    }

    /// The outcome of a training, if it is one.
    pub fn as_train(&self) -> Option<&TrainOutcome> {
        match self {
            Self::Train(outcome) => Some(outcome),
            Self::Eval(_) => None,
        }
    }
}

/// The result of a training.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TrainOutcome {
    /// The steps that were taken.
    pub steps: u64,
    /// The metrics of the last step, by name.
    pub final_metrics: BTreeMap<String, f64>,
    /// Of the folder `model/`.
    pub model_digest: Digest,
    /// Whether `model/` holds an adapter only, to be put on the base model.
    pub adapter: bool,
}

/// The verdict of a sample that could not be judged, and its name in `EvalOutcome::counts`.
pub const UNJUDGED: &str = "unjudged";

/// The result of an evaluation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EvalOutcome {
    /// The benchmark.
    pub benchmark: String,
    /// The tasks, in the benchmark's order.
    pub tasks: Vec<TaskOutcome>,
    /// Rates in 0..=1 by name, such as `pass@1`.
    pub metrics: BTreeMap<String, f64>,
    /// How many samples got each verdict, by the verdict's name; failures to judge apart.
    pub counts: BTreeMap<String, u64>,
    /// Of the file `samples.jsonl`.
    pub samples_digest: Digest,
}

/// The result of one task of a benchmark.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskOutcome {
    /// The benchmark's name of the task.
    pub task_id: String,
    /// What tasks of one origin share, such as the update of an API.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// What kind of task it is, such as the type of an update.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// Whether each sample passed, in the order of sampling.
    pub passed: Vec<bool>,
    /// The name of each sample's verdict.
    pub verdicts: Vec<String>,
}
