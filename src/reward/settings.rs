//! The settings of the reward: the section `[reward]` of a spec.

use serde::{Deserialize, Serialize};

use crate::settings::{choice, settings};

settings! {
    /// How the reward prepares code; `train.reward` chooses the reward.
    pub struct RewardSettings {
        /// How code is prepared before it is compared: `published` as the paper's code does it, faults
        /// included, or `fixed` as it was meant.
        #[key(
            choice::<Normalizer>("normalizer"),
            default = "fixed",
            source = "ours; the paper's tables are reproduced with \"published\""
        )]
        pub normalizer: Normalizer,
    }
}

/// How code is prepared before it is compared and parsed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Normalizer {
    /// As the paper's reference code does it, faults included.
    Published,
    /// As it was meant.
    Fixed,
}
