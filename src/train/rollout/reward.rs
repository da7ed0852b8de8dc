//! The reward of a completion.

use crate::{
    reward::{Score, Scorer},
    train::observer::RewardRecord,
};

/// Scores completions against the code that is wanted.
pub(in crate::train) trait RewardFn {
    /// The reward of each pair of completion and target code, in the same order.
    fn rewards(&self, pairs: &[(String, String)]) -> Vec<RewardRecord>;
}

impl RewardFn for Scorer {
    fn rewards(&self, pairs: &[(String, String)]) -> Vec<RewardRecord> {
        let record = |score: Score| RewardRecord {
            total: score.total,
            format: score.format,
            correctness: score.correctness,
            overlong: 0.0,
        };
        self.score_batch(pairs).into_iter().map(record).collect()
    }
}
