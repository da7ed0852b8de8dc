//! A step of supervised fine-tuning.

use std::time::Instant;

use crate::model::to_f32;

use super::{
    context::{StepContext, UpdateContext},
    error::TrainError,
    learner::{Diagnostics, Learner, Sequence},
    loss::{cross_entropy, rectangle, token_weights},
    order::RowOrder,
    step::{Method, ShouldStop, SkippedSample, SkippedUpdate, StepOutput},
    task::Task,
};

/// Learns the target texts of `batch_size` rows.
pub(super) struct SupervisedStep<'a> {
    pub(super) task: &'a Task<'a>,
    pub(super) batch_size: usize,
    /// The weight of a token of the prompt; one of the completion has 1.
    pub(super) prompt_weight: f64,
    pub(super) order: RowOrder,
}

impl Method for SupervisedStep<'_> {
    fn step(
        &mut self,
        learner: &mut Learner,
        context: StepContext,
        _: &mut ShouldStop<'_>,
    ) -> Result<Option<StepOutput>, TrainError> {
        let clock = Instant::now();
        let rows = self.order.rows_at(
            self.task.seed,
            self.task.rows.len(),
            context.first_row,
            self.batch_size,
        );
        let (sequences, weights): (Vec<_>, Vec<_>) = rows
            .iter()
            .map(|row| self.weighted(&self.task.sequences[*row]))
            .unzip();
        let device = learner.device();
        let context = UpdateContext {
            step: context,
            update: 0,
            temperature: 1.0,
        };
        let weights = shares(&weights);
        let (update, _) = learner.update(&sequences, context, &|micro_batch| {
            let rows = micro_batch.rows.iter().map(|row| weights[*row].as_slice());
            let weight = rectangle(rows, micro_batch.tokens.completion_time(), &device);
            let loss = cross_entropy(micro_batch.scores.log_probs, weight);
            (loss, Diagnostics::default())
        })?;
        let skipped = (!update.is_finite()).then(|| SkippedUpdate {
            index: 0,
            update,
            samples: rows.iter().map(|row| self.skipped(*row)).collect(),
        });
        Ok(Some(StepOutput {
            prompts: self.batch_size,
            updates: vec![update],
            skipped: skipped.into_iter().collect(),
            tokens: sequences.iter().map(Sequence::len).sum(),
            update_seconds: clock.elapsed().as_secs_f64(),
            ..StepOutput::default()
        }))
    }
}

impl SupervisedStep<'_> {
    fn skipped(&self, row: usize) -> SkippedSample {
        SkippedSample {
            row,
            completion: self.task.rows[row].target_text.clone(),
            reward: None,
            advantage: None,
        }
    }

    /// A sequence whose completion has every token that counts, and the weight of each of them.
    fn weighted(&self, row: &Sequence) -> (Sequence, Vec<f64>) {
        let learned = row.completion.len();
        if self.prompt_weight == 0.0 {
            return (row.clone(), token_weights(0, learned, 0.0));
        }
        // Nothing predicts the first token, so it remains the prompt.
        let (first, rest) = row.prompt.split_at(1);
        let sequence = Sequence {
            prompt: first.to_vec(),
            completion: [rest, &row.completion].concat(),
        };
        (
            sequence,
            token_weights(rest.len(), learned, self.prompt_weight),
        )
    }
}

/// Weights as shares of the whole batch's.
fn shares(weights: &[Vec<f64>]) -> Vec<Vec<f32>> {
    let total: f64 = weights.iter().flatten().sum();
    weights
        .iter()
        .map(|row| row.iter().map(|weight| to_f32(weight / total)).collect())
        .collect()
}
