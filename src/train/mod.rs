//! Turning a model into a better one.
//!
//! [`train`] has three layers. A `Method`, either supervised fine-tuning or learning from rollouts,
//! decides what a step learns from. The `Learner` turns sequences and a loss into one update, which
//! does not depend on the split into micro-batches. The loop in `run` counts steps, evaluates, and
//! writes records and checkpoints. The algorithms that learn from rollouts differ only in the
//! `Objective` that their file in `algorithm/` returns.

mod algorithm;
mod context;
mod curriculum;
mod drawing;
mod error;
mod evaluation;
mod identity;
mod kept;
mod learner;
mod loss;
mod method;
mod observer;
mod omitted;
mod order;
mod records;
mod rollout;
mod run;
mod settings;
mod state;
mod step;
mod supervised;
mod target_log_prob;
mod task;
mod teacher;
#[cfg(test)]
mod tests;

pub use algorithm::*;
pub use curriculum::Curriculum;
pub use error::TrainError;
pub use evaluation::{EvalSchedule, EvaluationRecord, FinalCheckpoint};
pub use learner::{LearningRate, OptimizerSettings, Schedule};
pub use loss::{Aggregation, KlEstimator};
pub use observer::{
    GamingRecord, NonFiniteRecord, NonFiniteSample, Observer, RewardRecord, RolloutRecord,
    SampleRecord, StepRecord, TestShares, Timing,
};
pub use order::RowOrder;
pub use rollout::advantage::AdvantageScale;
pub use rollout::reward::RewardTools;
pub use run::{Ended, Inputs, Outcome, train};
pub use settings::TrainSettings;
pub use state::{checkpoint_folder, inspect_checkpoints};
pub use target_log_prob::TargetLogProb;
pub use task::Row;
pub use teacher::{RemoteTeacher, Teacher, TeacherQuestion};
