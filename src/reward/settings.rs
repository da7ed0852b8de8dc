//! What a spec may say about the reward: `[reward]`.

use serde::{Deserialize, Serialize};

/// The section `[reward]`, without the variant, which is `train.reward`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RewardSettings {
    /// Whether code is prepared as the reference code does it, faults included, or as it was meant.
    pub normalizer: Normalizer,
}

/// The correctness measure that is added to the format reward (paper, Table 2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Variant {
    /// Format alone.
    Format,
    /// Exact match, in {0, 1}.
    Em,
    /// Edit similarity, in [0, 1].
    Es,
    /// Exact match with a syntax check, in {-2, -1.5, 2}.
    EmStar,
    /// Edit similarity with a syntax check, in [-2, 2].
    EsStar,
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
