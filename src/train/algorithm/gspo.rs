//! Group sequence policy optimisation (arXiv 2507.18071): the ratio is that of a whole completion.

use serde::{Deserialize, Serialize};

use crate::train::{
    loss::{Aggregation, ClipRange, Surrogate},
    rollout::{
        advantage::AdvantageScale,
        objective::{Objective, Overlong},
    },
};

/// What GSPO alone is told.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GspoSettings {
    /// The completion's ratio is clipped to `1 - clip_low ..= 1 + clip_high`.
    pub clip_low: f64,
    /// See `clip_low`.
    pub clip_high: f64,
    /// Added to the divisor of the advantages.
    pub advantage_epsilon: f64,
    /// Prompts an update; `batch_size / mini_batch_size` updates follow one rollout.
    pub mini_batch_size: usize,
}

impl GspoSettings {
    /// Several updates a rollout, each completion as one action, without a reference.
    pub(in crate::train) fn objective(&self) -> Objective {
        Objective {
            surrogate: Surrogate::Sequence(ClipRange {
                low: self.clip_low,
                high: self.clip_high,
                dual: None,
            }),
            aggregation: Aggregation::Sequence,
            advantage_scale: AdvantageScale::Group,
            advantage_epsilon: self.advantage_epsilon,
            kl_weight: 0.0,
            mask_truncated: false,
            overlong: Overlong::default(),
            dynamic_sampling: None,
            mini_batch_size: self.mini_batch_size,
        }
    }
}
