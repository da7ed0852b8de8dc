//! The completions of one update, and their loss.

use burn::tensor::{Device, Tensor};

use crate::{
    model::{Decoder, to_f32},
    train::{
        learner::{Diagnostics, MicroBatchScores},
        loss::{column, rectangle},
    },
};

use super::{
    collect::Sample,
    objective::{Objective, TokenScores},
};

/// The completions of one update, and what their loss needs.
pub(super) struct MiniBatch<'a> {
    pub(super) objective: &'a Objective,
    /// The frozen start of the training, if the objective needs a reference.
    pub(super) reference: Option<&'a Decoder>,
    pub(super) samples: &'a [&'a Sample],
    /// The advantage of each completion.
    pub(super) advantages: Vec<f64>,
    /// The log-probabilities before the first update of the step. With a single update they are
    /// those of the update itself.
    pub(super) old_log_probs: Option<&'a [Vec<f32>]>,
    /// The log-probabilities under the teacher, if the objective estimates the divergence from them.
    pub(super) teacher_log_probs: Option<&'a [Vec<f32>]>,
    /// The weight of each token of each completion.
    pub(super) weights: Vec<Vec<f32>>,
    pub(super) temperature: f64,
    pub(super) device: Device,
}

impl MiniBatch<'_> {
    /// The contribution of a micro-batch to the loss.
    pub(super) fn loss(&self, micro_batch: MicroBatchScores<'_>) -> (Tensor<1>, Diagnostics) {
        let MicroBatchScores {
            rows,
            tokens,
            scores,
        } = micro_batch;
        let samples: Vec<&Sample> = rows.iter().map(|row| self.samples[*row]).collect();
        let width = tokens.completion_time();
        let advantages = rows
            .iter()
            .map(|row| to_f32(self.advantages[*row]))
            .collect();
        let mask = tokens.completion_mask(&self.device);
        let weights = rows.iter().map(|row| self.weights[*row].as_slice());
        let weights = rectangle(weights, width, &self.device);
        let log_probs = scores.log_probs.clone();
        let old = match self.old_log_probs {
            Some(old) => {
                let rows = rows.iter().map(|row| old[*row].as_slice());
                rectangle(rows, width, &self.device)
            }
            None => log_probs.clone().detach(),
        };
        let reference = self.reference.map(|reference| {
            reference
                .log_probs(tokens, self.temperature, None)
                .log_probs
        });
        let teacher = self.teacher_log_probs.map(|teacher| {
            let rows = rows.iter().map(|row| teacher[*row].as_slice());
            rectangle(rows, width, &self.device)
        });
        let mut diagnostics = Diagnostics::default();
        if self.old_log_probs.is_none() {
            let sampled = samples.iter().map(|sample| sample.log_probs.as_slice());
            let sampled = rectangle(sampled, width, &self.device);
            let gap = (log_probs.clone().inner() - sampled).abs().max();
            diagnostics.log_prob_gap = Some(gap);
        }
        diagnostics.entropy = Some(scores.entropy.clone().inner().sum());
        let (loss, kl) = self.objective.token_loss(TokenScores {
            log_prob: log_probs,
            old_log_prob: old,
            advantage: column(advantages, &self.device),
            mask,
            reference,
            entropy: self.objective.learns_entropy().then_some(scores.entropy),
            divergence: scores.divergence,
            teacher,
        });
        diagnostics.kl = kl.map(Tensor::sum);
        diagnostics.tokens = tokens.completion_lengths().iter().sum();
        ((loss * weights).sum(), diagnostics)
    }
}
