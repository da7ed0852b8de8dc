//! The settings of one training.
//!
//! In a spec, `[train]` holds what all algorithms share, and a table such as `[train.grpo]` what
//! belongs to one algorithm. That table may also repeat any shared key (`max_steps`, `lr`, ...),
//! which then holds for that algorithm alone. `spec` resolves this before it makes a job: the values
//! here are final.

use crate::{
    model::SamplingSettings,
    reward::{Mix, Part, RewardSettings},
    settings::{COUNT, COUNT_OR_ZERO, Kind, above_to, choice, settings, whole},
    train::{
        algorithm::Algorithm,
        curriculum::Curriculum,
        error::TrainError,
        evaluation::{EvalSchedule, FinalCheckpoint},
        learner::{LearningRate, OptimizerSettings},
        omitted::{is_one, is_zero, one},
    },
};

settings! {
    /// The settings of one training, except the model and the data.
    pub struct TrainSettings {
        /// How the model is trained; `none` measures it as it is.
        #[key(
            Kind::Choice("algorithm", || [vec!["none"], Algorithm::names()].concat()),
            default = "grpo"
        )]
        pub algorithm: Algorithm,
        /// What is rewarded in addition to the format (paper, Table 2), or a sum such as
        /// `{ format = 1.0, es_star = 0.5 }`; not used by SFT.
        #[key(Kind::Weights("reward", Part::names), default = "es_star", source = "paper, Table 2: the best")]
        pub reward: Mix,
        /// How the reward prepares code; the section `[reward]` of a spec.
        pub reward_settings: RewardSettings,
        /// Optimiser updates for SFT, rollout steps for the others.
        #[key(COUNT, default = 5000, source = "paper, set-up")]
        pub max_steps: usize,
        /// The number of rows in a step of SFT, or of prompts in a step of the others.
        #[key(
            whole(1, 1_000_000),
            default = 8,
            source = "paper, set-up: 8 prompts in a step of DAPO; [train.grpo] has another"
        )]
        pub batch_size: usize,
        /// The number of completions of each prompt; not used by SFT.
        #[key(whole(2, 100_000), default = 8, source = "paper, set-up")]
        pub group_size: usize,
        /// The learning rate over time.
        #[serde(rename = "lr")]
        #[table(name = "lr")]
        pub learning_rate: LearningRate,
        /// AdamW with decoupled weight decay, and one clip of the norm of all gradients.
        #[table(source = "TRL's defaults, which the script keeps")]
        pub optimizer: OptimizerSettings,
        /// How completions are drawn; not used by SFT.
        #[table(defaults(
            temperature = 1.0 in above_to(0.0, 100.0), "paper, set-up";
            top_k = 0, "no filter; TRL's own default would be 50";
            top_p = 1.0, "paper, set-up";
            min_p = 0.0, "no filter";
            max_completion_tokens = 1024, "paper, set-up";
        ))]
        pub sampling: SamplingSettings,
        /// The longest prompt, in tokens; longer ones are cut on the left.
        #[key(COUNT, default = 2048, source = "paper, set-up")]
        pub max_prompt_tokens: usize,
        /// The most tokens in one forward and backward pass; changes memory, not results beyond
        /// rounding.
        #[key(COUNT, default = 8192, source = "ours")]
        pub micro_batch_tokens: usize,
        /// Keeps the graph of one block at a time and runs each block twice: less memory, more time,
        /// the same results up to rounding.
        #[serde(default, skip_serializing_if = "is_off")]
        #[key(Kind::Flag, default = false, source = "ours")]
        pub gradient_checkpointing: bool,
        /// The number of steps between two checkpoints; not part of a job's identity.
        #[key(COUNT, default = 100, source = "ours")]
        pub save_every: usize,
        /// How many checkpoints are kept, in addition to the best; not part of a job's identity.
        #[key(whole(1, 1_000_000), default = 2, source = "ours")]
        pub keep_checkpoints: usize,
        /// The completions of each step that is a multiple of this are written to `samples.jsonl`;
        /// 0 writes none; not part of a job's identity.
        #[serde(default = "one", skip_serializing_if = "is_one")]
        #[key(COUNT_OR_ZERO, default = 1, source = "ours; the completions of every step")]
        pub samples_every: usize,
        /// Rows are drawn by how often the untrained model solves them; not used by SFT.
        #[serde(default, skip_serializing_if = "Curriculum::is_off")]
        #[table(source = "not in the paper")]
        pub curriculum: Curriculum,
        /// Before the first step, the mean log-probability of a token of the targets under the model that
        /// training starts from is measured over so many rows, the first of the data, or over all if there
        /// are fewer; 0 measures none.
        #[serde(default, skip_serializing_if = "is_zero")]
        #[key(COUNT_OR_ZERO, default = 0, source = "not in the paper")]
        pub target_log_prob_rows: usize,
        /// Evaluations of the model during training, on a part of a benchmark.
        #[serde(default, skip_serializing_if = "EvalSchedule::is_off")]
        #[table(source = "ours; the paper's Figure 2 also measures during training")]
        pub eval: EvalSchedule,
        /// The weights that the trained model has: the `last` step's, or those of the `best`
        /// evaluation by `eval.every`.
        #[serde(default, skip_serializing_if = "FinalCheckpoint::is_last")]
        #[key(
            choice::<FinalCheckpoint>("checkpoint"),
            default = "last",
            source = "the paper does not say that it chose one"
        )]
        pub checkpoint: FinalCheckpoint,
    }
}

/// Leaves the default out of a job's identity: jobs from before the key are the same jobs.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
fn is_off(flag: &bool) -> bool {
    !flag
}

impl TrainSettings {
    /// Whether the completions of a step, counted from 1, are written down.
    pub(super) fn writes_samples(&self, step: usize) -> bool {
        self.samples_every > 0 && step.is_multiple_of(self.samples_every)
    }

    /// Rejects values that training cannot work with. `spec` reports the same, with the place.
    pub(super) fn check(&self) -> Result<(), TrainError> {
        let wrong = |text: &str| Err(TrainError::Settings(text.to_owned()));
        if self.batch_size == 0 {
            return wrong("`batch_size` is `0`, expected `1` or more");
        }
        if self.checkpoint == FinalCheckpoint::Best && self.eval.is_off() {
            return wrong("`checkpoint` is `best`, which needs evaluations: set `eval.every`");
        }
        let Some(objective) = self.algorithm.objective(self.batch_size) else {
            return Ok(());
        };
        if self.group_size == 0 {
            return wrong("`group_size` is `0`, expected `1` or more");
        }
        if objective.preference.is_some() && self.group_size == 1 {
            return wrong("`group_size` is `1`, but a pair needs `2` or more");
        }
        if self.sampling.temperature <= 0.0 {
            return wrong("`sampling.temperature` is not above `0`, but a policy has to explore");
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
