//! Decoupled clip and dynamic sampling policy optimisation (arXiv 2503.14476), as verl has it.
//!
//! # Differences
//!
//! Where the budget of generation batches ends before there are enough groups, verl raises; here
//! the step goes on with the groups that there are and says so, and makes no update with none.

use serde::{Deserialize, Serialize};

use crate::train::{
    loss::{Aggregation, ClipRange, Surrogate},
    rollout::{
        advantage::AdvantageScale,
        objective::{Objective, Overlong},
    },
};

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

impl DapoSettings {
    /// Several updates a rollout, from groups whose rewards differ, without a reference.
    pub(in crate::train) fn objective(&self) -> Objective {
        Objective {
            surrogate: Surrogate::Token(ClipRange {
                low: self.clip_low,
                high: self.clip_high,
                dual: Some(self.clip_ratio_c),
            }),
            aggregation: Aggregation::Token,
            advantage_scale: AdvantageScale::Group,
            advantage_epsilon: self.advantage_epsilon,
            kl_weight: 0.0,
            mask_truncated: false,
            overlong: Overlong {
                buffer: self.overlong_buffer,
                factor: self.overlong_factor,
            },
            dynamic_sampling: self.dynamic_sampling.then_some(self.max_generation_batches),
            mini_batch_size: self.mini_batch_size,
        }
    }
}
