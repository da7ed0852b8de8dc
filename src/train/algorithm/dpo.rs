//! Direct preference optimisation (arXiv 2305.18290) on pairs that the policy makes itself: the best and
//! the worst completion of each group by the reward.
//!
//! # Differences
//!
//! The paper has a fixed set of pairs that people have judged; here each step samples new ones, as in
//! online DPO (arXiv 2402.04792). Log-probabilities are at the temperature of sampling. A group of equal
//! rewards has no pair. Where an adapter drops inputs, the weight of a pair is computed without dropout.

use crate::{
    settings::{above_to, settings, whole},
    train::{
        algorithm::AlgorithmSettings,
        loss::{Aggregation, Surrogate},
        rollout::{
            advantage::{AdvantageRule, AdvantageScale, Baseline},
            objective::Objective,
            preference::Preference,
        },
    },
};

settings! {
    /// The settings of DPO alone.
    pub struct DpoSettings {
        /// How much a change of the log-probability of a completion counts: the larger, the nearer the
        /// policy stays to the frozen start.
        #[key(above_to(0.0, 1e3), default = 0.1, source = "TRL")]
        pub beta: f64,
        /// The number of updates that follow one rollout, each from all of its pairs.
        #[key(whole(1, 1_000), default = 1, source = "ours")]
        pub updates_per_rollout: usize,
    }
}

impl AlgorithmSettings for DpoSettings {
    const SOURCE: Option<&'static str> = Some("not in the paper");

    /// All pairs of a rollout in an update; the preference replaces the advantages.
    fn objective(&self, batch_size: usize) -> Option<Objective> {
        Some(Objective {
            preference: Some(Preference { beta: self.beta }),
            passes: self.updates_per_rollout,
            ..Objective::new(
                Surrogate::Gradient,
                Aggregation::SequenceSum,
                AdvantageRule {
                    baseline: Baseline::Group,
                    scale: AdvantageScale::None,
                    epsilon: 0.0,
                },
                batch_size,
            )
        })
    }
}
