//! The settings of the reward: the section `[reward]` of a spec.

use serde::{Deserialize, Serialize};

/// The section `[reward]`, without the variant, which is `train.reward`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RewardSettings {
    /// Whether code is prepared as the reference code does it, faults included, or as it was meant.
    pub normalizer: Normalizer,
}

/// How code is prepared before it is compared and parsed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Normalizer {
    /// As the paper's reference code does it, its faults included.
    Published,
    /// As it was meant.
    Fixed,
}
