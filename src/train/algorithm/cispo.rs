//! Clipped importance-sampling policy optimisation (arXiv 2506.13585): every token keeps its
//! gradient, and only the weight of it is bounded.

use serde::{Deserialize, Serialize};

use crate::train::{
    loss::{Aggregation, Surrogate},
    rollout::{
        advantage::AdvantageScale,
        objective::{Objective, Overlong},
    },
};

/// What CISPO alone is told.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CispoSettings {
    /// The largest ratio that a token is weighted with.
    pub largest_ratio: f64,
    /// Added to the divisor of the advantages.
    pub advantage_epsilon: f64,
    /// Prompts an update; `batch_size / mini_batch_size` updates follow one rollout.
    pub mini_batch_size: usize,
}

impl CispoSettings {
    /// Several updates a rollout, without a reference.
    pub(in crate::train) fn objective(&self) -> Objective {
        Objective {
            surrogate: Surrogate::Weight {
                most: self.largest_ratio,
            },
            aggregation: Aggregation::Token,
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
