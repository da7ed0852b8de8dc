//! What the loop needs of an algorithm.

use super::{
    TrainError,
    learner::{Learner, Update},
    observer::{RewardRecord, RolloutRecord},
    rollout::collect::Sample,
};

/// Says whether to stop.
pub(super) type Stop<'a> = dyn FnMut() -> bool + 'a;

/// An algorithm, one step at a time.
pub(super) trait Method {
    /// Takes a step, or none if told to stop before anything has changed.
    fn step(
        &mut self,
        learner: &mut Learner,
        place: Place,
        should_stop: &mut Stop<'_>,
    ) -> Result<Option<Taken>, TrainError>;
}

/// Where a step stands in the training.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    /// The step, counted from 0.
    pub(super) step: usize,
    /// The place of its first row in the data's order.
    pub(super) row: usize,
    /// The learning rate.
    pub(super) rate: f64,
}

/// An update that was left out because its loss or gradient was not finite.
#[derive(Debug)]
pub(super) struct LeftOut {
    /// The update within the step.
    pub(super) update: usize,
    pub(super) made: Update,
    pub(super) samples: Vec<Lesson>,
}

/// A completion that an update was to learn from.
#[derive(Debug)]
pub(super) struct Lesson {
    /// The row of the data.
    pub(super) row: usize,
    pub(super) completion: String,
    /// None where nothing is rewarded.
    pub(super) reward: Option<RewardRecord>,
    pub(super) advantage: Option<f64>,
}

/// What a step has done.
#[derive(Debug, Default)]
pub(super) struct Taken {
    /// Rows taken from the data.
    pub(super) prompts: usize,
    /// The updates, those that were left out among them.
    pub(super) updates: Vec<Update>,
    /// What was to be learned in updates that were left out.
    pub(super) left_out: Vec<LeftOut>,
    /// Tokens learned from.
    pub(super) tokens: usize,
    pub(super) rollout: Option<RolloutRecord>,
    pub(super) samples: Vec<Sample>,
    /// What a person should know.
    pub(super) notes: Vec<String>,
    pub(super) sampling_seconds: f64,
    pub(super) reward_seconds: f64,
    pub(super) update_seconds: f64,
}
