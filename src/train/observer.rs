//! What training tells whoever started it.

use std::io;

use serde::{Deserialize, Serialize};

use crate::model::LanguageModel;

use super::EvaluationRecord;

/// Takes a training's records, measures its model and says when to stop; training itself knows
/// nothing of job folders and benchmarks.
pub trait Observer {
    /// Training begins behind `step`, which is 0 unless a checkpoint was found; the last evaluation
    /// that counts is that of step `evaluated`, or none if it is 0.
    ///
    /// Records of later steps that were taken before are void: they come again.
    fn on_resume(&mut self, step: usize, evaluated: usize) -> io::Result<()>;

    /// Measures the model that has taken `step` steps, and writes down what came out; none if it was
    /// told to stop. Called where the settings have an [`EvalSchedule`](super::EvalSchedule) alone.
    fn evaluate(
        &mut self,
        model: &LanguageModel,
        step: usize,
    ) -> io::Result<Option<EvaluationRecord>>;

    /// A step is done.
    fn on_step(&mut self, record: &StepRecord) -> io::Result<()>;

    /// A completion was sampled and scored; called before the step's [`Self::on_step`], and in the
    /// steps alone that `samples_every` chooses.
    fn on_sample(&mut self, sample: &SampleRecord) -> io::Result<()>;

    /// An update was left out because its loss or gradient was not finite; called before the step's
    /// [`Self::on_step`].
    fn on_non_finite(&mut self, update: &NonFiniteRecord) -> io::Result<()>;

    /// Something a person should know, in plain words.
    fn on_note(&mut self, text: &str);

    /// Whether to stop: asked between steps, and inside a step until its first update.
    fn should_stop(&self) -> bool;
}

/// What a step did. Two equal trainings give equal records apart from [`Self::timing`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StepRecord {
    /// The step, counted from 1: this many are done.
    pub step: usize,
    /// Passes through the data, this step included.
    pub epoch: f64,
    /// The mean of the step's updates; none if there was no update, or it was not finite.
    pub loss: Option<f64>,
    /// The global norm of the gradients before clipping, as the loss.
    pub gradient_norm: Option<f64>,
    /// The step size.
    pub learning_rate: f64,
    /// Tokens of all sequences that the step learned from, prompts included.
    pub tokens: usize,
    /// Updates so far that were left out because a loss or gradient was not finite, or because no
    /// group of completions was fit to learn from.
    pub skipped_updates: usize,
    /// What was sampled; none for SFT.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rollout: Option<RolloutRecord>,
    /// The only part that differs between two equal trainings.
    pub timing: Timing,
}

/// What a step sampled, before any group was left out.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RolloutRecord {
    /// Mean reward by part.
    pub reward: RewardRecord,
    /// Standard deviation of the total reward over all completions.
    pub reward_spread: f64,
    /// Share of groups whose rewards are all equal, in 0..=1.
    pub zero_spread_share: f64,
    /// Completions sampled.
    pub completions: usize,
    /// Mean tokens of a completion.
    pub completion_tokens: f64,
    /// Share of completions that were cut off at the limit, in 0..=1.
    pub truncated_share: f64,
    /// Generation batches that it took.
    pub generation_batches: usize,
    /// Groups that the step learned from.
    pub kept_groups: usize,
    /// Mean divergence from the reference a token (k3); none without a reference.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kl: Option<f64>,
    /// Mean entropy a token in nats; none if nothing was learned from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub entropy: Option<f64>,
    /// Largest |log-prob(sampler) - log-prob(trainer)| of a token before the first update, with
    /// the adapters' dropout if there is any; none if nothing was learned from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub log_prob_gap: Option<f64>,
}

/// A reward by part.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct RewardRecord {
    /// The sum: format, correctness and the overlong penalty.
    pub total: f64,
    /// For the format that the prompt asks for.
    pub format: f64,
    /// For what the variant measures.
    pub correctness: f64,
    /// For length (DAPO), 0 or less.
    pub overlong: f64,
}

/// Where a step's time went.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Timing {
    /// The whole step.
    pub seconds: f64,
    /// `tokens / seconds`.
    pub tokens_per_second: f64,
    /// Drawing completions.
    pub sampling_seconds: f64,
    /// Scoring them.
    pub reward_seconds: f64,
    /// Forward and backward passes and the optimiser.
    pub update_seconds: f64,
}

/// A completion that was sampled in training.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SampleRecord {
    /// The step, counted from 1.
    pub step: usize,
    /// The place in the step's rollout.
    pub index: usize,
    /// The row of the data.
    pub row: String,
    /// The prompt.
    pub prompt: String,
    /// What the model wrote, without special tokens.
    pub completion: String,
    /// Tokens of the completion.
    pub tokens: usize,
    /// Whether it was cut off at the limit.
    pub is_truncated: bool,
    /// The reward by part.
    pub reward: RewardRecord,
    /// The advantage; none if its group was left out.
    pub advantage: Option<f64>,
}

/// An update that was left out because its loss or gradient was not finite.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NonFiniteRecord {
    /// The step, counted from 1.
    pub step: usize,
    /// The update within the step, counted from 0.
    pub update: usize,
    /// The loss; none if it was not finite.
    pub loss: Option<f64>,
    /// The global norm of the gradients; none if it was not finite.
    pub gradient_norm: Option<f64>,
    /// All that the update was to learn from.
    pub samples: Vec<NonFiniteSample>,
}

/// A completion in an update that was left out.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NonFiniteSample {
    /// The row of the data.
    pub row: String,
    /// The prompt.
    pub prompt: String,
    /// What the model wrote, or for SFT was to learn.
    pub completion: String,
    /// The reward by part; none for SFT.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reward: Option<RewardRecord>,
    /// The advantage; none for SFT, or if it is no finite number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub advantage: Option<f64>,
}
