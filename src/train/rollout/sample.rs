//! A completion with its reward.

use crate::train::{learner::Sequence, observer::RewardRecord};

/// A completion with everything that is known about it.
#[derive(Clone, Debug)]
pub(in crate::train) struct Sample {
    /// The row of the data.
    pub(in crate::train) row: usize,
    pub(in crate::train) sequence: Sequence,
    /// The log-probability of each token under the policy that sampled it.
    pub(in crate::train) log_probs: Vec<f32>,
    pub(in crate::train) is_truncated: bool,
    pub(in crate::train) text: String,
    pub(in crate::train) reward: RewardRecord,
    /// `None` if the group is not learned from.
    pub(in crate::train) advantage: Option<f64>,
}
