//! Group relative policy optimisation (arXiv 2402.03300), as the paper's script has it.

use serde::{Deserialize, Serialize};

use crate::train::{AdvantageScale, Aggregation};

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
