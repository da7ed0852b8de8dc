//! One step of a training, as the loop sees it.

use super::{
    context::StepContext,
    error::TrainError,
    learner::{Learner, Update},
    observer::{RewardRecord, RolloutRecord},
    rollout::collect::Sample,
};

/// Returns whether to stop.
pub(super) type ShouldStop<'a> = dyn FnMut() -> bool + 'a;

/// A way to learn, one step at a time.
pub(super) trait Method {
    /// Takes a step. Returns `None`, and changes nothing, if it has to stop before the first
    /// update.
    fn step(
        &mut self,
        learner: &mut Learner,
        context: StepContext,
        should_stop: &mut ShouldStop<'_>,
    ) -> Result<Option<StepOutput>, TrainError>;
}

/// The result of a step.
#[derive(Debug, Default)]
pub(super) struct StepOutput {
    /// Rows taken from the data.
    pub(super) prompts: usize,
    /// All updates, including those that were skipped.
    pub(super) updates: Vec<Update>,
    /// The updates that were skipped.
    pub(super) skipped: Vec<SkippedUpdate>,
    /// Tokens learned from.
    pub(super) tokens: usize,
    pub(super) rollout: Option<RolloutRecord>,
    pub(super) samples: Vec<Sample>,
    /// Messages for the user.
    pub(super) notes: Vec<String>,
    pub(super) sampling_seconds: f64,
    pub(super) reward_seconds: f64,
    pub(super) judging_seconds: f64,
    pub(super) update_seconds: f64,
}

/// An update that was skipped because its loss or gradient was not finite.
#[derive(Debug)]
pub(super) struct SkippedUpdate {
    /// The update within the step, counted from 0.
    pub(super) index: usize,
    pub(super) update: Update,
    pub(super) samples: Vec<SkippedSample>,
}

/// A completion of a skipped update.
#[derive(Debug)]
pub(super) struct SkippedSample {
    /// The row of the data.
    pub(super) row: usize,
    pub(super) completion: String,
    /// `None` where nothing is rewarded.
    pub(super) reward: Option<RewardRecord>,
    pub(super) advantage: Option<f64>,
}
