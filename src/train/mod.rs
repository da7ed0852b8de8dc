//! Turning a model into a better one.
//!
//! [`train`] goes through three layers. A `Method` (SFT, or the `Policy` step of GRPO and DAPO)
//! decides what a step learns from; the `Learner` turns sequences and a loss into one update,
//! whatever the micro-batches; the loop around them keeps records and checkpoints. GRPO, DAPO, GSPO
//! and CISPO differ only in the `Objective` that their files in `algorithm/` return.

mod algorithm;
mod error;
mod evaluation;
mod learner;
mod loss;
mod observer;
mod order;
mod rollout;
mod run;
mod settings;
mod state;
mod step;
mod task;
#[cfg(test)]
mod tests;

pub use algorithm::*;
pub use error::TrainError;
pub use evaluation::{EvalSchedule, EvaluationRecord, FinalCheckpoint};
pub use learner::{LearningRate, OptimizerSettings, Schedule};
pub use loss::Aggregation;
pub use observer::{
    NonFiniteRecord, NonFiniteSample, Observer, RewardRecord, RolloutRecord, SampleRecord,
    StepRecord, Timing,
};
pub use order::RowOrder;
pub use rollout::advantage::AdvantageScale;
pub use run::{Ended, Inputs, Outcome, train};
pub use settings::TrainSettings;
pub use task::Row;
