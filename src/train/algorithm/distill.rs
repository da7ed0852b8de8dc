//! Distillation on the model's own completions (arXiv 2306.13649): each token is drawn by the model in
//! training, and a larger teacher says how likely every token was.
//!
//! The loss is the divergence `KL(π ‖ teacher)` over the whole vocabulary, the reverse one, averaged over
//! the tokens of a step. Its gradient is exact, and does not go through the sampling. Rewards are measured
//! and logged, and nothing is learned from them.
//!
//! # Differences
//!
//! The paper mixes in given targets and other divergences; here all completions are the model's own
//! (λ = 1) and the divergence is the reverse one (β = 1). Both models are at the temperature of sampling.

use crate::{
    settings::{Kind, settings},
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
    /// The settings of distillation alone.
    pub struct DistillSettings {
        /// The model that is imitated: a name of the manifest, or a folder in the Hugging Face layout. It
        /// must have the vocabulary of the model in training.
        #[serde(default)]
        #[key(Kind::Text)]
        pub teacher: String,
    }
}

impl AlgorithmSettings for DistillSettings {
    const SOURCE: Option<&'static str> = Some("not in the paper");

    /// One update a rollout, from the teacher alone.
    fn objective(&self, batch_size: usize) -> Option<Objective> {
        Some(Objective {
            teacher_weight: 1.0,
            ..Objective::new(
                Surrogate::Nothing,
                Aggregation::Token,
                AdvantageRule {
                    baseline: Baseline::Group,
                    scale: AdvantageScale::None,
                    epsilon: 0.0,
                },
                batch_size,
            )
        })
    }

    fn teacher(&mut self) -> Option<&mut String> {
        Some(&mut self.teacher)
    }
}
