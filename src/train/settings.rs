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
    train::Algorithm,
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
    /// A checkpoint after so many steps; not part of a job's identity.
    pub save_every: usize,
    /// How many checkpoints stay; not part of a job's identity.
    pub keep_checkpoints: usize,
}

/// How the losses of tokens become one number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Aggregation {
    /// The mean over sequences of each one's mean over tokens (GRPO).
    Sequence,
    /// The mean over all tokens of the batch (DAPO, BNPO).
    Token,
    /// The sum over tokens by `sequences * max_completion_tokens` (Dr.GRPO).
    Constant,
}

/// What a group's centred rewards are divided by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AdvantageScale {
    /// The standard deviation of the group (ddof 1).
    Group,
    /// The standard deviation of the whole batch (ddof 1).
    Batch,
    /// Nothing.
    None,
}

/// The table `lr`: linear warm-up, then a schedule.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LearningRate {
    /// The highest value.
    pub peak: f64,
    /// Updates until the peak; update 0 has rate 0 if this is not 0.
    pub warmup_steps: usize,
    /// What follows the warm-up.
    pub schedule: Schedule,
    /// The share of the peak at which warm-up starts and the schedule ends; 0 in the paper.
    #[serde(default)]
    pub floor: f64,
}

/// What follows the warm-up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Schedule {
    /// The peak, for ever.
    Constant,
    /// A straight line to 0 at the last step.
    Linear,
    /// Half a cosine to 0 at the last step.
    Cosine,
}

/// The table `optimizer`: AdamW with decoupled decay and one norm clip over all gradients.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OptimizerSettings {
    /// Decay of the first moment.
    pub beta1: f64,
    /// Decay of the second moment.
    pub beta2: f64,
    /// Added to the root of the second moment.
    pub epsilon: f64,
    /// Decoupled weight decay.
    pub weight_decay: f64,
    /// The largest global norm of the gradients.
    pub max_grad_norm: f64,
}
