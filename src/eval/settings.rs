//! What a job of evaluation is told.

use serde::{Deserialize, Serialize};

use crate::model::SamplingSettings;

/// Everything that one evaluation is told, save the model and the data.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EvalSettings {
    /// The benchmark's name.
    pub benchmark: String,
    /// Completions a task.
    pub samples: usize,
    /// How completions are drawn.
    pub sampling: SamplingSettings,
    /// Longer prompts lose tokens on the left.
    pub max_prompt_tokens: usize,
    /// How many completions are generated side by side. Part of the identity: it can move the last
    /// bit of a logit.
    pub batch_size: usize,
    /// Only the first so many tasks; 0 takes all.
    pub limit: usize,
    /// Whether to run completions where the system lacks a safeguard. Part of the identity only where
    /// it is set, for what they do there may differ.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub allow_unsandboxed: bool,
}
