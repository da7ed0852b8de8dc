//! The records of a training, and the observer that receives them.

use std::{collections::BTreeMap, io};

use serde::{Deserialize, Serialize};

use crate::model::LanguageModel;

use super::{error::TrainError, evaluation::EvaluationRecord};

/// Receives the records of a training, evaluates its model and decides when to stop. Training
/// itself knows neither job folders nor benchmarks.
pub trait Observer {
    /// Training begins after `step`, which is 0 unless it resumes from a checkpoint. The last
    /// evaluation that counts is that of step `evaluated`; there is none if this is 0.
    ///
    /// Earlier records of later steps no longer count, since these steps are repeated.
    fn on_resume(&mut self, step: usize, evaluated: usize) -> io::Result<()>;

    /// Evaluates the model after `step` steps and records the result; returns `None` if it has to
    /// stop. Only called if the settings have an [`EvalSchedule`](super::EvalSchedule).
    fn evaluate(
        &mut self,
        model: &LanguageModel,
        step: usize,
    ) -> Result<Option<EvaluationRecord>, TrainError>;

    /// Receives the record of a step.
    fn on_step(&mut self, record: &StepRecord) -> io::Result<()>;

    /// Receives a completion that was sampled and scored. Called before the step's
    /// [`Self::on_step`], and only in the steps that `samples_every` selects.
    fn on_sample(&mut self, sample: &SampleRecord) -> io::Result<()>;

    /// Receives an update that was skipped because its loss or gradient was not finite. Called
    /// before the step's [`Self::on_step`].
    fn on_non_finite(&mut self, update: &NonFiniteRecord) -> io::Result<()>;

    /// A checkpoint is about to be written. What was received until now must not be lost once it is there, since
    /// no step before it is repeated.
    fn before_checkpoint(&mut self) -> io::Result<()> {
        Ok(())
    }

    /// Receives what makes the whole training doubtful, the same however often it was interrupted.
    fn on_warning(&mut self, text: &str) {
        self.on_note(text);
    }

    /// Receives a message for the user.
    fn on_note(&mut self, text: &str);

    /// Whether to stop. Asked between steps, and within a step until its first update.
    fn should_stop(&self) -> bool;
}

/// The result of a step. Two equal trainings have equal records except for [`Self::timing`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StepRecord {
    /// The step, counted from 1.
    pub step: usize,
    /// Passes through the data, this step included.
    pub epoch: f64,
    /// The mean over the step's updates that were made; `None` if there were none.
    pub loss: Option<f64>,
    /// The global norm of the gradients before clipping, averaged like the loss.
    pub gradient_norm: Option<f64>,
    /// The learning rate.
    pub learning_rate: f64,
    /// Tokens of all sequences that the step learned from, prompts included.
    pub tokens: usize,
    /// Updates skipped so far, because the loss or gradient was not finite or because no group of
    /// completions had rewards that differ.
    pub skipped_updates: usize,
    /// The sampled completions in figures; `None` for SFT.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rollout: Option<RolloutRecord>,
    /// The only part that differs between two equal trainings.
    pub timing: Timing,
}

/// All completions that a step sampled, including groups that it did not learn from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RolloutRecord {
    /// The mean reward, by part.
    pub reward: RewardRecord,
    /// The standard deviation of the total reward over all completions.
    pub reward_spread: f64,
    /// The share of groups whose rewards are all equal, in 0..=1.
    pub zero_spread_share: f64,
    /// Completions sampled.
    pub completions: usize,
    /// The mean number of tokens of a completion.
    pub completion_tokens: f64,
    /// The share of completions that were truncated at the limit, in 0..=1.
    pub truncated_share: f64,
    /// Measures of repetition and copying; `None` in records from before there were any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gaming: Option<GamingRecord>,
    /// Generation batches.
    pub generation_batches: usize,
    /// Groups that the step learned from.
    pub kept_groups: usize,
    /// The mean divergence of a token from the reference, as the KL estimator measures it, or that from a
    /// teacher, exact or estimated by k1, which may be below 0; `None` if the loss has neither.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kl: Option<f64>,
    /// The mean entropy of a token in nats; `None` if there was no update.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub entropy: Option<f64>,
    /// The largest |log-prob(sampler) - log-prob(trainer)| of a token before the first update, with
    /// the dropout of adapters if there is any; `None` if there was no update.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub log_prob_gap: Option<f64>,
}

/// A reward by part.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct RewardRecord {
    /// The sum: format, correctness and the overlong penalty.
    pub total: f64,
    /// For the format that the prompt asks for; with its weight in a sum.
    pub format: f64,
    /// For everything else that the reward measures; in a sum, with the weights.
    pub correctness: f64,
    /// The penalty for length (DAPO), 0 or less.
    pub overlong: f64,
    /// The value of each part of a sum, before its weight; empty if the reward is no sum.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub parts: BTreeMap<String, f64>,
    /// The unit tests that were passed; `None` if none were run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tests: Option<TestShares>,
}

/// Shares of unit tests that were passed, in 0..=1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct TestShares {
    /// Of the tests that are rewarded.
    pub rewarded: f64,
    /// Of the tests that are held out; `None` if there are none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hidden: Option<f64>,
}

/// Measures of how completions may earn a reward without solving their task. Lengths are in the
/// [`RolloutRecord`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct GamingRecord {
    /// The mean share of a completion's phrases that it has had before, in 0..=1.
    pub repeated_share: f64,
    /// The mean share of a completion's phrases that the note has too, in 0..=1.
    pub copied_share: f64,
}

/// The time of a step, by activity.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Timing {
    /// The whole step.
    pub seconds: f64,
    /// `tokens / seconds`.
    pub tokens_per_second: f64,
    /// Sampling completions.
    pub sampling_seconds: f64,
    /// Scoring them, after all were sampled.
    pub reward_seconds: f64,
    /// `reward_seconds / seconds`.
    #[serde(default)]
    pub reward_share: f64,
    /// Running unit tests, in part while other completions were sampled.
    #[serde(default)]
    pub judging_seconds: f64,
    /// `judging_seconds / seconds`.
    #[serde(default)]
    pub judging_share: f64,
    /// Forward and backward passes and the optimiser.
    pub update_seconds: f64,
}

/// A completion that was sampled during training.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SampleRecord {
    /// The step, counted from 1.
    pub step: usize,
    /// The position in the step's rollout.
    pub index: usize,
    /// The name of the row.
    pub row: String,
    /// The prompt.
    pub prompt: String,
    /// The text that the model wrote, without special tokens.
    pub completion: String,
    /// The number of tokens of the completion.
    pub tokens: usize,
    /// Whether it was truncated at the limit.
    pub is_truncated: bool,
    /// The reward by part.
    pub reward: RewardRecord,
    /// The advantage; `None` if the step did not learn from its group.
    pub advantage: Option<f64>,
}

/// An update that was skipped because its loss or gradient was not finite.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NonFiniteRecord {
    /// The step, counted from 1.
    pub step: usize,
    /// The update within the step, counted from 0.
    pub update: usize,
    /// The loss; `None` if it was not finite.
    pub loss: Option<f64>,
    /// The global norm of the gradients; `None` if it was not finite.
    pub gradient_norm: Option<f64>,
    /// The completions of the update.
    pub samples: Vec<NonFiniteSample>,
}

/// A completion of a skipped update.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NonFiniteSample {
    /// The name of the row.
    pub row: String,
    /// The prompt.
    pub prompt: String,
    /// The text that the model wrote or, for SFT, the target text.
    pub completion: String,
    /// The reward by part; `None` for SFT.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reward: Option<RewardRecord>,
    /// The advantage; `None` for SFT, or if it is not finite.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub advantage: Option<f64>,
}
