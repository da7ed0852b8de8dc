//! REINFORCE leave-one-out (arXiv 2402.14740): a completion is one action, and its baseline is the
//! mean reward of the other completions of its prompt.
//!
//! The loss is `-1/N Σᵢ Aᵢ Σₜ log π(yᵢₜ)` over the `N` completions of a step. The inner sum is the
//! log-probability of a whole completion: it is not divided by the length, so a long completion
//! weighs more than in GRPO. The advantage `Aᵢ` is the reward minus the baseline and is not divided
//! by a deviation. A rollout has one update, so that the policy in training is the one that
//! sampled, and there is no ratio of the two.
//!
//! # Differences
//!
//! The paper subtracts `β log(π / π_ref)` of a completion from its reward, before the baseline.
//! Here the divergence is a term of the loss as in GRPO: an estimate for each token, summed over the tokens
//! of a completion.

use crate::{
    settings::{choice, from_to, settings},
    train::{
        algorithm::AlgorithmSettings,
        loss::{Aggregation, KlEstimator, Surrogate},
        rollout::{
            advantage::{AdvantageRule, AdvantageScale, Baseline},
            objective::Objective,
        },
    },
};

settings! {
    /// The settings of RLOO alone.
    pub struct RlooSettings {
        /// The weight of the KL divergence of a completion from the frozen start.
        #[key(from_to(0.0, 1e3), default = 0.05, source = "TRL")]
        pub beta: f64,
        /// The estimator of that divergence, as in `[train.grpo]`.
        #[serde(default, skip_serializing_if = "KlEstimator::is_k3")]
        #[key(choice::<KlEstimator>("estimator"), default = "k3", source = "as grpo")]
        pub kl_estimator: KlEstimator,
    }
}

impl AlgorithmSettings for RlooSettings {
    const SOURCE: Option<&'static str> = Some("not in the paper");

    /// One update a rollout, each completion as one action.
    fn objective(&self, batch_size: usize) -> Option<Objective> {
        Some(Objective {
            kl_weight: self.beta,
            kl_estimator: self.kl_estimator,
            ..Objective::new(
                Surrogate::LogProb,
                Aggregation::SequenceSum,
                AdvantageRule {
                    baseline: Baseline::LeaveOneOut,
                    scale: AdvantageScale::None,
                    epsilon: 0.0,
                },
                batch_size,
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
        let objective = RlooSettings {
            beta: 0.1,
            kl_estimator: KlEstimator::K3,
        };
        let objective = objective.objective(1).unwrap();

        // The others of the first completion have a mean reward of 0, those of each other one of
        // 1/2.
        let advantages = objective.advantage.advantages(&[1.0, 0.0, 0.0], 3);
        assert_close(&advantages, &[1.0, -0.5, -0.5]);

        // Whole completions have log-probabilities of -3, -1 and -2, so without the divergence
        //   loss = -1/3 (1 · -3 - 1/2 · -1 - 1/2 · -2) = 1/2.
        // The reference differs in one token by d = ln 2, which adds 0.1/3 (exp d - d - 1) to the
        // loss and 0.1/3 (1 - exp d) = -0.1/3 to the gradient of that token.
        let ln_2 = 2.0_f64.ln();
        let batch = LogProbBatch {
            new: &[&[-1.0, -2.0], &[-1.0], &[-0.5, -0.5, -1.0]],
            old: None,
            reference: Some(&[&[-1.0, -2.0], &[-1.0 + ln_2], &[-0.5, -0.5, -1.0]]),
        };
        let (loss, gradient) = loss_and_gradient(&objective, &batch, &advantages);

        assert_close(&[loss], &[0.5 + 0.1 / 3.0 * (1.0 - ln_2)]);
        let (first, third) = (-1.0 / 3.0, 1.0 / 6.0);
        assert_close(&gradient[0], &[first, first, 0.0]);
        assert_close(&gradient[1], &[1.0 / 6.0 - 0.1 / 3.0, 0.0, 0.0]);
        assert_close(&gradient[2], &[third; 3]);
    }
}
