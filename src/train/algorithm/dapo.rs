//! Decoupled clip and dynamic sampling policy optimisation (arXiv 2503.14476), as verl has it.

use serde::{Deserialize, Serialize};

/// What DAPO alone is told.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DapoSettings {
    /// The ratio is clipped to `1 - clip_low ..= 1 + clip_high`.
    pub clip_low: f64,
    /// See `clip_low`.
    pub clip_high: f64,
    /// Bound `c` of the dual clip: where the advantage is negative the loss is at most `-c A`.
    pub clip_ratio_c: f64,
    /// Added to the divisor of the advantages.
    pub advantage_epsilon: f64,
    /// Prompts an update; `batch_size / mini_batch_size` updates follow one rollout.
    pub mini_batch_size: usize,
    /// Whether groups without a spread of rewards are replaced by sampling more prompts.
    pub dynamic_sampling: bool,
    /// The most generation batches a step.
    pub max_generation_batches: usize,
    /// Tokens before the limit over which the overlong penalty grows; 0 turns it off.
    pub overlong_buffer: usize,
    /// The penalty at the limit.
    pub overlong_factor: f64,
}
