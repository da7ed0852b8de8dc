//! REINFORCE++ (arXiv 2501.03262): rewards are normalised over the whole batch instead of each
//! group.
//!
//! The advantage of a completion is its reward minus the mean reward of all completions of the
//! step, divided by their standard deviation (ddof 1). The loss is the clipped surrogate of each
//! token, averaged over the tokens of a completion and then over the completions. A group of equal
//! rewards still has an advantage, since it is compared with the other groups.
//!
//! # Differences
//!
//! The paper subtracts `β log(π_old / π_ref)` of each token from the reward, so that a token's
//! advantage has the sum over itself and all later tokens. It then normalises over tokens. Here the
//! advantage is the same for all tokens of a completion, mean and deviation are over completions,
//! and the divergence is a term of the loss as in GRPO (the mean over tokens). The
//! paper's variant that subtracts the mean of the group before it normalises, REINFORCE++-baseline,
//! is not here; GRPO with `advantage_scale = "batch"` is close to it.

use crate::{
    settings::{choice, from_to, settings, whole},
    train::{
        algorithm::AlgorithmSettings,
        loss::{Aggregation, ClipRange, KlEstimator, Surrogate},
        rollout::{
            advantage::{AdvantageRule, AdvantageScale, Baseline},
            objective::Objective,
        },
    },
};

settings! {
    /// The settings of REINFORCE++ alone.
    pub struct ReinforcePlusPlusSettings {
        /// The weight of the KL divergence of a token from the frozen start.
        #[key(from_to(0.0, 1e3), default = 0.001, source = "as grpo")]
        pub beta: f64,
        /// The estimator of that divergence, as in `[train.grpo]`.
        #[serde(default, skip_serializing_if = "KlEstimator::is_k3")]
        #[key(choice::<KlEstimator>("estimator"), default = "k3", source = "as grpo")]
        pub kl_estimator: KlEstimator,
        /// The ratio of the policies is clipped below at 1 minus this.
        #[key(from_to(0.0, 1.0), default = 0.2, source = "as grpo")]
        pub clip_low: f64,
        /// The ratio of the policies is clipped above at 1 plus this.
        #[key(from_to(0.0, 1e3), default = 0.2, source = "as grpo")]
        pub clip_high: f64,
        /// Added to the divisor of the advantages.
        #[key(from_to(0.0, 1.0), default = 1e-6, source = "as dapo")]
        pub advantage_epsilon: f64,
        /// The number of prompts in an update; `batch_size / mini_batch_size` updates follow one
        /// rollout.
        #[key(whole(1, 1_000_000), default = 4, source = "as dapo")]
        pub mini_batch_size: usize,
    }
}

impl AlgorithmSettings for ReinforcePlusPlusSettings {
    const SOURCE: Option<&'static str> = Some("not in the paper");

    /// Several updates a rollout, with advantages over the mean of the whole batch.
    fn objective(&self, _: usize) -> Option<Objective> {
        Some(Objective {
            kl_weight: self.beta,
            kl_estimator: self.kl_estimator,
            ..Objective::new(
                Surrogate::Token(ClipRange {
                    low: self.clip_low,
                    high: self.clip_high,
                    dual: None,
                }),
                Aggregation::Sequence,
                AdvantageRule {
                    baseline: Baseline::Batch,
                    scale: AdvantageScale::Batch,
                    epsilon: self.advantage_epsilon,
                },
                self.mini_batch_size,
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::train::tests::fixture::{LogProbBatch, assert_close, loss_and_gradient};

    #[test]
    fn advantages_and_loss_are_those_worked_out_by_hand() {
        let settings = ReinforcePlusPlusSettings {
            beta: 0.1,
            kl_estimator: KlEstimator::K3,
            clip_low: 0.2,
            clip_high: 0.2,
            advantage_epsilon: 0.0,
            mini_batch_size: 2,
        };
        let objective = settings.objective(2).unwrap();

        // Two groups of two. The batch has a mean of 1 and a variance of (1 + 1 + 1 + 9) / 3 = 4,
        // so the first group has advantages although its rewards are equal.
        let advantages = objective.advantage.advantages(&[0.0, 0.0, 0.0, 4.0], 2);
        assert_close(&advantages, &[-0.5, -0.5, -0.5, 1.5]);

        // Ratios 2; 1, 1; 1/2; 2, 1. The gain of a token is the smaller of ratio and clipped ratio,
        // each times the advantage: -1; -1/2, -1/2; -0.8/2; 1.2 · 1.5, 1.5. The means over tokens
        // are -1, -0.5, -0.4 and 1.65, so without the divergence
        //   loss = -1/4 (-1 - 0.5 - 0.4 + 1.65) = 1/16.
        // The reference differs in the third completion by d = ln 2, which adds
        // 0.1/4 (exp d - d - 1).
        let ln_2 = 2.0_f64.ln();
        let new: &[&[f64]] = &[&[-1.0], &[-1.0, -2.0], &[-1.5], &[-0.5, -1.0]];
        let batch = LogProbBatch {
            new,
            old: Some(&[
                &[-1.0 - ln_2],
                &[-1.0, -2.0],
                &[-1.5 + ln_2],
                &[-0.5 - ln_2, -1.0],
            ]),
            reference: Some(&[new[0], new[1], &[-1.5 + ln_2], new[3]]),
        };
        let (loss, gradient) = loss_and_gradient(&objective, &batch, &advantages);

        assert_close(&[loss], &[1.0 / 16.0 + 0.1 / 4.0 * (1.0 - ln_2)]);
        // A token whose clipped gain is the smaller one has no gradient. The others have
        // -1/4 · ratio · advantage / length, and the third completion has that of the divergence,
        // 0.1/4 (1 - exp d).
        assert_close(&gradient[0], &[0.25, 0.0]);
        assert_close(&gradient[1], &[1.0 / 16.0; 2]);
        assert_close(&gradient[2], &[-0.1 / 4.0, 0.0]);
        assert_close(&gradient[3], &[0.0, -3.0 / 16.0]);
    }
}
