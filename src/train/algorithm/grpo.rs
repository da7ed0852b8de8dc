//! Group relative policy optimisation (arXiv 2402.03300), as the paper's script has it.

use crate::{
    settings::{Kind, Preset, choice, from_to, presets, settings, whole},
    train::{
        algorithm::AlgorithmSettings,
        loss::{Aggregation, ClipRange, KlEstimator, Surrogate},
        omitted::{is_one, one},
        rollout::{
            advantage::{AdvantageRule, AdvantageScale, Baseline},
            objective::Objective,
        },
    },
};

settings! {
    /// The settings of GRPO alone.
    pub struct GrpoSettings {
        /// The weight of the KL divergence from the frozen start.
        #[key(from_to(0.0, 1e3), default = 0.001, source = "paper, set-up")]
        pub beta: f64,
        /// The estimator of that divergence: with `d` the difference of the log-probabilities of a
        /// token, reference less policy, `k1` is -d, `k2` is d²/2 and `k3` is exp(d) - d - 1.
        #[serde(default, skip_serializing_if = "KlEstimator::is_k3")]
        #[key(choice::<KlEstimator>("estimator"), default = "k3", source = "TRL")]
        pub kl_estimator: KlEstimator,
        /// The weight of the entropy of the policy, whose mean is subtracted from the loss; above 0 it
        /// keeps the policy from becoming sure too early.
        #[serde(default, skip_serializing_if = "is_zero")]
        #[key(from_to(0.0, 10.0), default = 0.0, source = "off, as in TRL")]
        pub entropy_bonus: f64,
        /// The number of updates that follow one rollout, each from all of its completions; from the
        /// second on, the clip acts.
        #[serde(default = "one", skip_serializing_if = "is_one")]
        #[key(whole(1, 1_000), default = 1, source = "TRL: `num_iterations`")]
        pub updates_per_rollout: usize,
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

/// Leaves the default out of a job's identity: jobs from before the key are the same jobs.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
fn is_zero(weight: &f64) -> bool {
    *weight <= 0.0
}

impl AlgorithmSettings for GrpoSettings {
    const PRESETS: &'static [Preset] = presets! {
        batch_size = 1, "the script's batch of 8 is 8 completions: one prompt a step";
    };

    /// With one update a rollout the ratio is 1, and the clip never acts.
    fn objective(&self, batch_size: usize) -> Option<Objective> {
        Some(Objective {
            kl_weight: self.beta,
            kl_estimator: self.kl_estimator,
            entropy_weight: self.entropy_bonus,
            passes: self.updates_per_rollout,
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
