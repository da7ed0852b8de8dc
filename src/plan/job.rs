//! A job: all that one process is told, and the name that follows from it.

use std::{fmt, path::PathBuf};

use serde::{Deserialize, Serialize};

use crate::{
    data::PromptSettings, device::Backend, digest::Digest, eval::EvalSettings,
    model::ModelSettings, remote::RemoteSettings, train::TrainSettings,
};

/// Raised by hand when the code of a job starts to give other results from the same inputs.
///
/// The commit is not part of a job's identity: a comment must not invalidate a week of training.
pub const RECIPE_VERSION: u32 = 3;

/// The name of a job and of its folder, such as `train-7c1e9a02`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct JobId(pub String);

impl fmt::Display for JobId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// One process to run: written to `job.json`, and all that the worker reads.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Job {
    /// `train-` or `eval-` and the first digits of the identity's digest.
    pub id: JobId,
    /// What to do.
    pub work: Work,
    /// The jobs that must be done before.
    pub after: Vec<JobId>,
}

impl Job {
    /// What the job does, in a few words: `qwen2.5-coder-7b-instruct grpo es_star s42`.
    pub fn what(&self) -> String {
        match &self.work {
            Work::Train(work) => {
                let train = &work.train;
                let algorithm = &train.algorithm;
                let mut words = vec![short_name(&work.model.base), algorithm.name().to_owned()];
                if algorithm.has_reward() {
                    words.push(train.reward.name().to_owned());
                }
                words.push(format!("s{}", work.seed));
                words.join(" ")
            }
            Work::Eval(work) => {
                let model = match &work.start {
                    Start::Base => short_name(work.model.name()),
                    Start::Job(id) => id.to_string(),
                };
                format!("{} on {model} s{}", work.eval.benchmark, work.seed)
            }
        }
    }
}

/// The last part of a path; a name as it is.
fn short_name(base: &str) -> String {
    base.trim_end_matches('/')
        .rsplit('/')
        .next()
        .unwrap_or(base)
        .to_owned()
}

/// What a job does.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Work {
    /// Trains a model.
    Train(TrainWork),
    /// Measures a model on one benchmark.
    Eval(EvalWork),
}

impl Work {
    /// The endpoint that this work asks, if its model is behind one.
    pub fn remote(&self) -> Option<&RemoteSettings> {
        match self {
            Self::Eval(work) if work.start == Start::Base => work.model.remote.as_ref(),
            Self::Train(_) | Self::Eval(_) => None,
        }
    }
}

/// Where a job's model comes from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Start {
    /// The base model of `ModelSettings`.
    Base,
    /// The model that another job has trained.
    Job(JobId),
}

/// A training.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TrainWork {
    /// The model.
    pub model: ModelSettings,
    /// The folder of `model.base`, or nothing for a model from scratch.
    pub model_path: Option<PathBuf>,
    /// Where the weights come from.
    pub start: Start,
    /// The training.
    pub train: TrainSettings,
    /// The file of migrations.
    pub data: PathBuf,
    /// The prompt templates.
    pub prompts: PromptSettings,
    /// The seed of the run.
    pub seed: u64,
    /// The backend.
    pub backend: Backend,
    /// What the model is measured on while it learns.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub evaluation: Option<Box<TrainEval>>,
    /// Digests of all files that the job reads, by their path in the job.
    pub digests: std::collections::BTreeMap<String, Digest>,
}

/// The evaluation within a training.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TrainEval {
    /// The evaluation.
    pub eval: EvalSettings,
    /// The benchmark's file.
    pub data: PathBuf,
}

/// An evaluation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EvalWork {
    /// The model.
    pub model: ModelSettings,
    /// The folder of `model.base`, or nothing for a model from scratch or behind an endpoint.
    pub model_path: Option<PathBuf>,
    /// Where the weights come from.
    pub start: Start,
    /// The evaluation.
    pub eval: EvalSettings,
    /// The benchmark's file.
    pub data: PathBuf,
    /// The prompt templates.
    pub prompts: PromptSettings,
    /// The seed of the run.
    pub seed: u64,
    /// The backend.
    pub backend: Backend,
    /// Digests of all files that the job reads, by their path in the job.
    pub digests: std::collections::BTreeMap<String, Digest>,
}
