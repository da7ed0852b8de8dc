//! What came out of a job: the same, byte for byte, however often it was interrupted.
//!
//! Nothing here may differ between equal runs: times, machines and paths belong to the provenance.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{digest::Digest, eval::EvalOutcome, train::TargetLogProb};

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
    /// What makes the figures doubtful, in words.
    pub fn warnings(&self) -> &[String] {
        match self {
            Self::Train(outcome) => &outcome.warnings,
            Self::Eval(outcome) => &outcome.warnings,
        }
    }

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
    /// The targets under the model before the first update, if they were measured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target_log_prob: Option<TargetLogProb>,
    /// Of the folder `model/`.
    pub model_digest: Digest,
    /// Whether `model/` holds an adapter only, to be put on the base model.
    pub adapter: bool,
    /// What makes the figures doubtful, in words; the same in every run of the job.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
}
