//! Clipped importance-sampling policy optimisation (arXiv 2506.13585): every token keeps its
//! gradient, and only the weight of that gradient is bounded.

use crate::{
    settings::{above_to, from_to, settings, whole},
    train::{
        algorithm::AlgorithmSettings,
        loss::{Aggregation, Surrogate},
        rollout::{
            advantage::{AdvantageRule, AdvantageScale, Baseline},
            objective::Objective,
        },
    },
};

settings! {
    /// The settings of CISPO alone.
    pub struct CispoSettings {
        /// The largest weight of a token; a larger ratio of the policies counts as this.
        #[key(above_to(0.0, 1e3), default = 5.0, source = "TRL")]
        pub largest_ratio: f64,
        /// Added to the divisor of the advantages.
        #[key(from_to(0.0, 1.0), default = 1e-6, source = "as dapo")]
        pub advantage_epsilon: f64,
        /// The number of prompts in an update; `batch_size / mini_batch_size` updates follow one
        /// rollout.
        #[key(whole(1, 1_000_000), default = 4, source = "as dapo")]
        pub mini_batch_size: usize,
    }
}

impl AlgorithmSettings for CispoSettings {
    const SOURCE: Option<&'static str> = Some("not in the paper");

    /// Several updates a rollout, without a reference.
    fn objective(&self, _: usize) -> Option<Objective> {
        Some(Objective::new(
            Surrogate::Weight {
                most: self.largest_ratio,
            },
            Aggregation::Token,
            AdvantageRule {
                baseline: Baseline::Group,
                scale: AdvantageScale::Group,
                epsilon: self.advantage_epsilon,
            },
            self.mini_batch_size,
        ))
    }
}
