//! Decoupled clip and dynamic sampling policy optimisation (arXiv 2503.14476), as verl has it.
//!
//! # Differences
//!
//! Where the budget of generation batches ends before there are enough groups, verl raises; here
//! the step continues with the groups that it has and reports that, and makes no update with none.

use crate::{
    settings::{COUNT_OR_ZERO, Kind, above_to, from_to, settings, whole},
    train::{
        algorithm::AlgorithmSettings,
        loss::{Aggregation, ClipRange, Surrogate},
        rollout::{
            advantage::{AdvantageRule, AdvantageScale, Baseline},
            objective::{Objective, Overlong},
        },
    },
};

settings! {
    /// The settings of DAPO alone.
    pub struct DapoSettings {
        /// The ratio of the policies is clipped below at 1 minus this.
        #[key(from_to(0.0, 1.0), default = 0.2, source = "paper, set-up")]
        pub clip_low: f64,
        /// The ratio of the policies is clipped above at 1 plus this.
        #[key(from_to(0.0, 1e3), default = 0.28, source = "paper, set-up")]
        pub clip_high: f64,
        /// The bound of the dual clip: with a negative advantage, the loss of a token is at most
        /// this times the size of the advantage.
        #[key(above_to(1.0, 1e6), default = 10.0, source = "scripts/dapo.sh")]
        pub clip_ratio_c: f64,
        /// Added to the divisor of the advantages.
        #[key(from_to(0.0, 1.0), default = 1e-6, source = "verl")]
        pub advantage_epsilon: f64,
        /// The number of prompts in an update; `batch_size / mini_batch_size` updates follow one
        /// rollout.
        #[key(whole(1, 1_000_000), default = 4, source = "paper, set-up")]
        pub mini_batch_size: usize,
        /// Whether groups without a spread of rewards are replaced by sampling more prompts.
        #[key(Kind::Flag, default = true, source = "paper, set-up")]
        pub dynamic_sampling: bool,
        /// The most generation batches a step.
        #[key(whole(1, 100_000), default = 10, source = "scripts/dapo.sh")]
        pub max_generation_batches: usize,
        /// Tokens before the limit over which the overlong penalty grows; 0 turns it off.
        #[key(COUNT_OR_ZERO, default = 0, source = "scripts/dapo.sh: off")]
        pub overlong_buffer: usize,
        /// The penalty at the limit.
        #[key(from_to(0.0, 1e3), default = 1.0, source = "verl")]
        pub overlong_factor: f64,
    }
}

impl AlgorithmSettings for DapoSettings {
    /// Several updates a rollout, from groups with a spread of rewards, without a reference.
    fn objective(&self, _: usize) -> Option<Objective> {
        Some(Objective {
            overlong: Overlong {
                buffer: self.overlong_buffer,
                factor: self.overlong_factor,
            },
            dynamic_sampling: self.dynamic_sampling.then_some(self.max_generation_batches),
            ..Objective::new(
                Surrogate::Token(ClipRange {
                    low: self.clip_low,
                    high: self.clip_high,
                    dual: Some(self.clip_ratio_c),
                }),
                Aggregation::Token,
                AdvantageRule {
                    baseline: Baseline::Group,
                    scale: AdvantageScale::Group,
                    epsilon: self.advantage_epsilon,
                },
                self.mini_batch_size,
            )
        })
    }
}
