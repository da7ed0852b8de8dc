//! The model in training: gradients over micro-batches, and one update from their sum.

mod diagnostics;
mod gradients;
mod micro_batch;
mod optimizer;
mod schedule;
mod shared;

use burn::tensor::Device;

use crate::{
    model::{Decoder, LanguageModel, Wanted},
    ranks::{RankError, Ranks},
};

use super::context::UpdateContext;

pub(super) use diagnostics::{Diagnostics, Measured};
pub(super) use gradients::BatchGradients;
use gradients::MicroBatchRunner;
pub(super) use micro_batch::{Loss, MicroBatchScores, Sequence};
pub(super) use optimizer::Named;
pub use optimizer::OptimizerSettings;
use optimizer::{AdamW, global_norm};
pub use schedule::{LearningRate, Schedule};

/// Training gives up after this many updates in a row without a finite loss and gradient.
const MAX_SKIPPED_IN_A_ROW: usize = 10;

/// A model with its optimizer.
#[derive(Debug)]
pub(super) struct Learner {
    model: LanguageModel,
    optimizer: AdamW,
    runner: MicroBatchRunner,
    skipped: SkipCounts,
}

/// The number of updates that were skipped because their loss or gradient was not finite.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct SkipCounts {
    pub(super) total: usize,
    /// Those since the last update that was made.
    pub(super) in_a_row: usize,
}

/// Everything that an update can change.
#[derive(Clone, Debug)]
pub(super) struct LearnerSnapshot {
    pub(super) trainable: Named,
    /// The optimizer's mean of the gradients.
    pub(super) first_moment: Named,
    /// The optimizer's mean of their squares.
    pub(super) second_moment: Named,
    /// Updates of the optimizer.
    pub(super) updates: u32,
    pub(super) skipped: SkipCounts,
}

/// The loss and the gradient norm of an update.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Update {
    pub(super) loss: f64,
    pub(super) gradient_norm: f64,
}

impl Update {
    /// Whether the update was made: it is skipped unless both numbers are finite.
    pub(super) fn is_finite(self) -> bool {
        self.loss.is_finite() && self.gradient_norm.is_finite()
    }
}

impl Learner {
    /// A learner of `model`, which runs micro-batches of at most `max_tokens` tokens.
    pub(super) fn new(
        model: LanguageModel,
        optimizer: OptimizerSettings,
        max_tokens: usize,
        by_block: bool,
        seed: u64,
    ) -> Self {
        let runner = MicroBatchRunner::new(&model.decoder, max_tokens, by_block, seed);
        Self {
            model,
            optimizer: AdamW::new(optimizer),
            runner,
            skipped: SkipCounts::default(),
        }
    }

    /// Shares the work of updates with other ranks. All of them make every update, with the same gradients.
    pub(super) fn shared(mut self, ranks: &Ranks) -> Result<Self, RankError> {
        self.runner.share(ranks)?;
        Ok(self)
    }

    /// The model with its current weights.
    pub(super) fn model(&self) -> &LanguageModel {
        &self.model
    }

    /// The model with its final weights.
    pub(super) fn into_model(self) -> LanguageModel {
        self.model
    }

    /// The device of the model, for the tensors of a loss.
    pub(super) fn device(&self) -> Device {
        self.model.decoder.device()
    }

    /// Updates skipped so far because their loss or gradient was not finite.
    pub(super) fn skipped(&self) -> SkipCounts {
        self.skipped
    }

    /// Whether so many updates in a row were skipped that training has to give up.
    pub(super) fn has_diverged(&self) -> bool {
        self.skipped.in_a_row >= MAX_SKIPPED_IN_A_ROW
    }

    /// Makes one update with the gradient of a loss that is a sum over sequences.
    ///
    /// `loss` returns the contribution of one micro-batch. Its denominators must be those of all
    /// `sequences`; then the split into micro-batches changes nothing but rounding. If the loss or
    /// the gradient is not finite, the update is skipped and the model stays as it is.
    pub(super) fn update(
        &mut self,
        sequences: &[Sequence],
        context: UpdateContext,
        loss: &Loss<'_>,
    ) -> Result<(Update, Measured), RankError> {
        self.update_with(sequences, context, Wanted::default(), loss)
    }

    /// [`Self::update`] with a loss that needs more than log-probabilities.
    pub(super) fn update_with(
        &mut self,
        sequences: &[Sequence],
        context: UpdateContext,
        wanted: Wanted<'_>,
        loss: &Loss<'_>,
    ) -> Result<(Update, Measured), RankError> {
        let batch = self.gradients_with(sequences, context, wanted, loss)?;
        let update = Update {
            loss: batch.loss,
            gradient_norm: global_norm(&batch.gradients),
        };
        if !update.is_finite() {
            self.skipped.total += 1;
            self.skipped.in_a_row += 1;
            return Ok((update, batch.measured));
        }
        self.skipped.in_a_row = 0;
        let parameters = self.model.decoder.trainable();
        let rate = context.step.learning_rate;
        let updated =
            self.optimizer
                .update(&parameters, batch.gradients, update.gradient_norm, rate);
        drop(parameters);
        self.set_trainable(updated);
        Ok((update, batch.measured))
    }

    /// The gradients of a batch under the current weights.
    pub(super) fn gradients_with(
        &self,
        sequences: &[Sequence],
        context: UpdateContext,
        wanted: Wanted<'_>,
        loss: &Loss<'_>,
    ) -> Result<BatchGradients, RankError> {
        self.runner
            .gradients(&self.model.decoder, sequences, context, wanted, loss)
    }

    /// The log-probability of each token of each completion under the current weights.
    pub(super) fn log_probs(
        &self,
        sequences: &[Sequence],
        temperature: f64,
    ) -> Result<Vec<Vec<f32>>, RankError> {
        let frozen: Decoder = self.model.decoder.frozen();
        self.runner.log_probs(&frozen, sequences, temperature)
    }

    /// [`Self::log_probs`] under another model, which is frozen.
    pub(super) fn log_probs_under(
        &self,
        decoder: &Decoder,
        sequences: &[Sequence],
        temperature: f64,
    ) -> Result<Vec<Vec<f32>>, RankError> {
        self.runner.log_probs(decoder, sequences, temperature)
    }

    /// Copies everything that an update can change; tensors are shared.
    pub(super) fn snapshot(&self) -> LearnerSnapshot {
        LearnerSnapshot {
            trainable: self.model.decoder.trainable(),
            first_moment: self.optimizer.first.clone(),
            second_moment: self.optimizer.second.clone(),
            updates: self.optimizer.updates,
            skipped: self.skipped,
        }
    }

    /// Returns to the state of a snapshot.
    pub(super) fn restore(&mut self, snapshot: LearnerSnapshot) {
        self.optimizer.first = snapshot.first_moment;
        self.optimizer.second = snapshot.second_moment;
        self.optimizer.updates = snapshot.updates;
        self.skipped = snapshot.skipped;
        self.set_trainable(snapshot.trainable);
    }

    /// Replaces the trainable parameters that are in `values`.
    pub(super) fn set_trainable(&mut self, mut values: Named) {
        let decoder = self.model.decoder.clone();
        self.model.decoder =
            decoder.map_trainable(|name, value| values.remove(name).unwrap_or(value));
    }
}
