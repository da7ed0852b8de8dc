//! Group relative policy optimisation (arXiv 2402.03300), as the paper's script has it.

use crate::{
    settings::{Kind, Preset, choice, from_to, presets, settings},
    train::{
        algorithm::AlgorithmSettings,
        loss::{Aggregation, ClipRange, Surrogate},
        rollout::{
            advantage::{AdvantageRule, AdvantageScale, Baseline},
            objective::Objective,
        },
    },
};

settings! {
    /// The settings of GRPO alone.
    pub struct GrpoSettings {
        /// The weight of the KL divergence from the frozen start (estimator k3).
        #[key(from_to(0.0, 1e3), default = 0.001, source = "paper, set-up")]
        pub beta: f64,
        /// The ratio of the policies is clipped below at 1 minus this.
        #[key(from_to(0.0, 1.0), default = 0.2, source = "paper, set-up")]
        pub clip_low: f64,
        /// The ratio of the policies is clipped above at 1 plus this.
        #[key(from_to(0.0, 1e3), default = 0.2, source = "paper, set-up")]
        pub clip_high: f64,
        /// How the losses of tokens become one number: the mean over completions of the mean
        /// (`sequence`) or sum (`sequence_sum`) over their tokens, the mean over all tokens
        /// (`token`), or their sum divided by the largest possible number of tokens (`constant`).
        #[key(
            choice::<Aggregation>("aggregation"),
            default = "sequence",
            source = "TRL 0.17: mean over the tokens of each completion"
        )]
        pub aggregation: Aggregation,
        /// What a group's centred rewards are divided by.
        #[key(choice::<AdvantageScale>("advantage scale"), default = "group", source = "TRL")]
        pub advantage_scale: AdvantageScale,
        /// Added to the divisor of the advantages.
        #[key(from_to(0.0, 1.0), default = 1e-4, source = "TRL")]
        pub advantage_epsilon: f64,
        /// Whether completions without a stop token are left out of the loss.
        #[key(Kind::Flag, default = false, source = "TRL")]
        pub mask_truncated: bool,
    }
}

impl AlgorithmSettings for GrpoSettings {
    const PRESETS: &'static [Preset] = presets! {
        batch_size = 1, "the script's batch of 8 is 8 completions: one prompt a step";
    };

    /// One update a rollout: the ratio is 1, and the clip never acts.
    fn objective(&self, batch_size: usize) -> Option<Objective> {
        Some(Objective {
            kl_weight: self.beta,
            mask_truncated: self.mask_truncated,
            ..Objective::new(
                Surrogate::Token(ClipRange {
                    low: self.clip_low,
                    high: self.clip_high,
                    dual: None,
                }),
                self.aggregation,
                AdvantageRule {
                    baseline: Baseline::Group,
                    scale: self.advantage_scale,
                    epsilon: self.advantage_epsilon,
                },
                batch_size,
            )
        })
    }
}
