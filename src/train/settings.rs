//! What a job of training is told.
//!
//! In a spec, `[train]` holds what all algorithms share and `[train.sft]`, `[train.grpo]`,
//! `[train.dapo]` what belongs to one; each of these tables may also repeat any shared key
//! (`max_steps`, `lr`, ...), which then holds for that algorithm alone. `spec` resolves
//! that before a job is made: what stands here is final.

use serde::{Deserialize, Serialize};

use crate::{
    model::SamplingSettings,
    reward::{RewardSettings, Variant},
    train::{
        algorithm::Algorithm,
        error::TrainError,
        evaluation::{EvalSchedule, FinalCheckpoint},
        learner::{LearningRate, OptimizerSettings},
    },
};

/// Everything that one training is told, save the model and the data.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrainSettings {
    /// The algorithm and the settings that it alone has.
    pub algorithm: Algorithm,
    /// The reward variant; not used by SFT.
    pub reward: Variant,
    /// How the reward prepares code; not used by SFT.
    pub reward_settings: RewardSettings,
    /// Optimiser updates for SFT, rollout steps for the others.
    pub max_steps: usize,
    /// Rows a step for SFT; prompts a step for the others.
    pub batch_size: usize,
    /// Completions a prompt; not used by SFT.
    pub group_size: usize,
    /// The step size over time; the key `lr` of a spec.
    #[serde(rename = "lr")]
    pub learning_rate: LearningRate,
    /// The optimiser.
    pub optimizer: OptimizerSettings,
    /// How completions are drawn; not used by SFT.
    pub sampling: SamplingSettings,
    /// Longer prompts lose tokens on the left.
    pub max_prompt_tokens: usize,
    /// The most tokens in one forward and backward pass; changes memory, not results beyond rounding.
    pub micro_batch_tokens: usize,
    /// Keeps the graph of one block at a time, and runs each block twice; changes memory and time,
    /// not results beyond rounding.
    #[serde(default, skip_serializing_if = "is_off")]
    pub gradient_checkpointing: bool,
    /// A checkpoint after so many steps; not part of a job's identity.
    pub save_every: usize,
    /// How many checkpoints stay, besides the best; not part of a job's identity.
    pub keep_checkpoints: usize,
    /// The completions of every so many steps are told, whole groups of them; 0 tells none. Not part
    /// of a job's identity.
    #[serde(default = "each", skip_serializing_if = "is_each")]
    pub samples_every: usize,
    /// When the model is measured while it learns.
    #[serde(default, skip_serializing_if = "EvalSchedule::is_off")]
    pub eval: EvalSchedule,
    /// Which step's weights the trained model has.
    #[serde(default, skip_serializing_if = "FinalCheckpoint::is_last")]
    pub checkpoint: FinalCheckpoint,
}

/// What is left out of a job's identity, so that jobs from before the key are the same jobs.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
fn is_off(flag: &bool) -> bool {
    !flag
}

fn each() -> usize {
    1
}

/// What is left out, so that checkpoints from before the key are those of the same training.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
fn is_each(every: &usize) -> bool {
    *every == each()
}

impl TrainSettings {
    /// Whether the completions of a step, counted from 1, are written down.
    pub(super) fn tells_samples(&self, step: usize) -> bool {
        self.samples_every > 0 && step.is_multiple_of(self.samples_every)
    }

    /// Looks for values that training cannot work with; `spec` has said so before, with the place.
    pub(super) fn check(&self) -> Result<(), TrainError> {
        let wrong = |text: &str| Err(TrainError::Settings(text.to_owned()));
        if self.batch_size == 0 {
            return wrong("`batch_size` is `0`, expected `1` or more");
        }
        if self.checkpoint == FinalCheckpoint::Best && self.eval.is_off() {
            return wrong("`checkpoint` is `best`, and without `eval.every` none is known");
        }
        let Some(objective) = self.algorithm.objective(self.batch_size) else {
            return Ok(());
        };
        if self.group_size == 0 {
            return wrong("`group_size` is `0`, expected `1` or more");
        }
        if self.sampling.temperature <= 0.0 {
            return wrong("`sampling.temperature` is not above `0`, and a policy has to explore");
        }
        if self.sampling.max_completion_tokens == 0 {
            return wrong("`sampling.max_completion_tokens` is `0`, expected `1` or more");
        }
        if objective.mini_batch_size == 0 {
            return wrong("`mini_batch_size` is `0`, expected `1` or more");
        }
        Ok(())
    }
}
