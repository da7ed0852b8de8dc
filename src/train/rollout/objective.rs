//! The loss of an algorithm that learns from its own completions.

use burn::tensor::Tensor;

use crate::train::loss::{Aggregation, KlEstimator, Surrogate};

use super::{advantage::AdvantageRule, preference::Preference};

/// Everything in which the algorithms that learn from their own completions differ.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::train) struct Objective {
    /// The gain of a token.
    pub(in crate::train) surrogate: Surrogate,
    /// How token losses become one number.
    pub(in crate::train) aggregation: Aggregation,
    /// How rewards become advantages.
    pub(in crate::train) advantage: AdvantageRule,
    /// The weight of the divergence from the reference; with 0 there is no reference.
    pub(in crate::train) kl_weight: f64,
    /// Whether truncated completions are excluded from the loss.
    pub(in crate::train) mask_truncated: bool,
    /// The penalty for long completions.
    pub(in crate::train) overlong: Overlong,
    /// The largest number of generation batches a step, if groups of equal rewards are replaced by
    /// sampling more prompts.
    pub(in crate::train) dynamic_sampling: Option<usize>,
    /// Prompts an update.
    pub(in crate::train) mini_batch_size: usize,
    /// Passes over the completions of a rollout.
    pub(in crate::train) passes: usize,
    /// The estimator of the divergence from the reference.
    pub(in crate::train) kl_estimator: KlEstimator,
    /// The weight of the entropy of each token, which is subtracted from the loss.
    pub(in crate::train) entropy_weight: f64,
    /// The weight of the divergence from a teacher; with 0 there is no teacher.
    pub(in crate::train) teacher_weight: f64,
    /// Estimates that divergence from the tokens that were drawn, in place of the sum over the vocabulary.
    pub(in crate::train) samples_teacher: bool,
    /// Learns from the best and the worst completion of each group, in place of all.
    pub(in crate::train) preference: Option<Preference>,
}

/// What the loss of tokens is made of.
///
/// # Shapes
///
/// All `[batch, time]`, except `advantage`, which is `[batch, 1]`.
pub(in crate::train) struct TokenScores {
    pub(in crate::train) log_prob: Tensor<2>,
    pub(in crate::train) old_log_prob: Tensor<2>,
    pub(in crate::train) advantage: Tensor<2>,
    pub(in crate::train) mask: Tensor<2>,
    /// The log-probability under the reference, if there is one.
    pub(in crate::train) reference: Option<Tensor<2>>,
    /// With a gradient, if it has a weight.
    pub(in crate::train) entropy: Option<Tensor<2>>,
    /// The divergence from the teacher over the vocabulary, if the objective needs it.
    pub(in crate::train) divergence: Option<Tensor<2>>,
    /// The log-probability under the teacher, if the objective estimates the divergence from it.
    pub(in crate::train) teacher: Option<Tensor<2>>,
}

/// A penalty that grows with length shortly before the limit (DAPO, eq. 13; the paper's eq. 7).
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(in crate::train) struct Overlong {
    /// The number of tokens before the limit over which it grows; 0 turns it off.
    pub(in crate::train) buffer: usize,
    /// Its size at the limit.
    pub(in crate::train) factor: f64,
}

impl Overlong {
    /// The term of a completion's reward, which is 0 or less.
    pub(in crate::train) fn penalty(self, tokens: usize, most_tokens: usize) -> f64 {
        let free = most_tokens.saturating_sub(self.buffer);
        if self.buffer == 0 || tokens <= free {
            return 0.0;
        }
        let excess = (tokens - free) as f64 / self.buffer as f64;
        -self.factor * excess.min(1.0)
    }
}

impl Objective {
    /// An objective without reference, overlong penalty and dynamic sampling, which learns from
    /// truncated completions too.
    pub(in crate::train) fn new(
        surrogate: Surrogate,
        aggregation: Aggregation,
        advantage: AdvantageRule,
        mini_batch_size: usize,
    ) -> Self {
        Self {
            surrogate,
            aggregation,
            advantage,
            kl_weight: 0.0,
            mask_truncated: false,
            overlong: Overlong::default(),
            dynamic_sampling: None,
            mini_batch_size,
            passes: 1,
            kl_estimator: KlEstimator::K3,
            entropy_weight: 0.0,
            teacher_weight: 0.0,
            samples_teacher: false,
            preference: None,
        }
    }

    /// Whether the loss compares the policy with the frozen model at the start.
    pub(in crate::train) fn needs_reference(&self) -> bool {
        self.kl_weight > 0.0 || self.preference.is_some()
    }

    /// Whether the entropy of a token is part of the loss.
    pub(in crate::train) fn learns_entropy(&self) -> bool {
        self.entropy_weight > 0.0
    }

    /// The loss of each token, and its divergence from the reference or the teacher, which has no
    /// gradient.
    ///
    /// # Shapes
    ///
    /// - outputs: `[batch, time]`
    pub(in crate::train) fn token_loss(
        &self,
        scores: TokenScores,
    ) -> (Tensor<2>, Option<Tensor<2>>) {
        let TokenScores {
            log_prob,
            old_log_prob,
            advantage,
            mask,
            reference,
            entropy,
            divergence,
            teacher,
        } = scores;
        let mut loss = self
            .surrogate
            .token_loss(log_prob.clone(), old_log_prob, advantage, mask);
        let mut observed = None;
        if let Some(reference) = reference {
            let divergence = self.kl_estimator.estimate(log_prob.clone(), reference);
            observed = Some(divergence.clone().inner());
            loss = loss + divergence * self.kl_weight;
        }
        if let Some(divergence) = divergence {
            observed = Some(divergence.clone().inner());
            loss = loss + divergence * self.teacher_weight;
        }
        if let Some(teacher) = teacher {
            let estimate = KlEstimator::K1.estimate(log_prob.clone(), teacher);
            let estimate = estimate.detach();
            observed = Some(estimate.clone().inner());
            // The mean of the estimate is the divergence, but that of its own gradient is 0. This is the gradient
            // of REINFORCE, with the estimate as the cost of each token; the change has a value of 0.
            let change = log_prob.clone() - log_prob.detach();
            let estimate = estimate.clone() + change * estimate;
            loss = loss + estimate * self.teacher_weight;
        }
        if let Some(entropy) = entropy.filter(|_| self.learns_entropy()) {
            loss = loss - entropy * self.entropy_weight;
        }
        (loss, observed)
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Deserialize)]
    struct Golden {
        rows: Vec<Row>,
    }

    #[derive(Deserialize)]
    struct Row {
        max_resp_len: usize,
        buffer: usize,
        factor: f64,
        length: usize,
        verl: f64,
        paper_and_trl_soft: f64,
    }

    #[test]
    fn overlong_penalties_are_the_golden_ones() {
        // Oracle: tests/golden/rl/overlong.json, made by make/misc.py. The paper's equation has no
        // factor. verl has no floor and needs none, since no completion exceeds the limit.
        let golden: Golden =
            serde_json::from_str(include_str!("../../../tests/golden/rl/overlong.json")).unwrap();
        assert!(golden.rows.len() > 30);
        for row in golden.rows {
            let overlong = Overlong {
                buffer: row.buffer,
                factor: row.factor,
            };
            let ours = overlong.penalty(row.length, row.max_resp_len);
            // 1e-12: f64, another order of the same operations.
            assert!((ours - row.factor * row.paper_and_trl_soft).abs() < 1e-12);
            assert!(row.length > row.max_resp_len || (ours - row.verl).abs() < 1e-12);
        }
    }

    #[test]
    fn no_buffer_is_no_penalty_even_at_the_limit() {
        let off = Overlong {
            buffer: 0,
            factor: 1.0,
        };
        assert!(off.penalty(2000, 1024).abs() < f64::MIN_POSITIVE);
    }
}
