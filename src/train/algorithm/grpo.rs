//! Group relative policy optimisation (arXiv 2402.03300), as the paper's script has it.

use serde::{Deserialize, Serialize};

use crate::train::{
    loss::{Aggregation, ClipRange, Surrogate},
    rollout::{
        advantage::AdvantageScale,
        objective::{Objective, Overlong},
    },
};

/// What GRPO alone is told.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GrpoSettings {
    /// Weight of the KL divergence from the frozen start (estimator k3).
    pub beta: f64,
    /// The ratio is clipped to `1 - clip_low ..= 1 + clip_high`.
    pub clip_low: f64,
    /// See `clip_low`.
    pub clip_high: f64,
    /// How token losses become one number.
    pub aggregation: Aggregation,
    /// What a group's centred rewards are divided by.
    pub advantage_scale: AdvantageScale,
    /// Added to the divisor of the advantages.
    pub advantage_epsilon: f64,
    /// Whether completions without a stop token are left out of the loss.
    pub mask_truncated: bool,
}

impl GrpoSettings {
    /// One update a rollout: the ratio is 1 and the clip never acts.
    pub(in crate::train) fn objective(&self, batch_size: usize) -> Objective {
        Objective {
            surrogate: Surrogate::Token(ClipRange {
                low: self.clip_low,
                high: self.clip_high,
                dual: None,
            }),
            aggregation: self.aggregation,
            advantage_scale: self.advantage_scale,
            advantage_epsilon: self.advantage_epsilon,
            kl_weight: self.beta,
            mask_truncated: self.mask_truncated,
            overlong: Overlong::default(),
            dynamic_sampling: None,
            mini_batch_size: batch_size,
        }
    }
}
