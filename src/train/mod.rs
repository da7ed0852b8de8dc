//! Turning a model into a better one.
//!
//! [`train`] goes through three layers. A `Method` (SFT, or the `Policy` step of GRPO and DAPO)
//! decides what a step learns from; the `Learner` turns sequences and a loss into one update,
//! whatever the micro-batches; the loop around them keeps records and checkpoints. GRPO, DAPO, GSPO
//! and CISPO differ only in the `Objective` that their files in `algorithm/` return.

mod advantage;
mod algorithm;
mod checkpoint;
mod error;
mod evaluation;
mod learner;
mod loss;
mod method;
mod micro_batch;
mod objective;
mod observer;
mod optim;
mod order;
mod policy;
mod rollout;
mod schedule;
mod settings;
mod task;
mod train_loop;

#[cfg(test)]
mod diverging;
#[cfg(test)]
mod evaluating;
#[cfg(test)]
mod fixture;
#[cfg(test)]
mod learning;
#[cfg(test)]
mod resuming;

pub use advantage::AdvantageScale;
pub use algorithm::{
    Algorithm, CispoSettings, DapoSettings, GrpoSettings, GspoSettings, SftSettings,
};
pub use error::TrainError;
pub use evaluation::{EvalSchedule, EvaluationRecord, FinalCheckpoint};
pub use loss::Aggregation;
pub use observer::{
    NonFiniteRecord, NonFiniteSample, Observer, RewardRecord, RolloutRecord, SampleRecord,
    StepRecord, Timing,
};
pub use optim::OptimizerSettings;
pub use order::RowOrder;
pub use schedule::{LearningRate, Schedule};
pub use settings::TrainSettings;
pub use task::Row;
pub use train_loop::{Ended, Inputs, Outcome, train};
