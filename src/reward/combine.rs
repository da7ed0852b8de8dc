//! The score from its parts: total = format + correctness.

use rayon::prelude::*;

use super::{Detail, Fault, Normalizer, Pair, Variant, format::format_reward};

/// Scores completions with one variant and one way to prepare code.
#[derive(Clone, Copy, Debug)]
pub struct Scorer {
    variant: Variant,
    normalizer: Normalizer,
}

/// The reward of one completion.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Score {
    /// +1 if the completion has the format that the prompt asks for, else -1.
    pub format: f64,
    /// The score of the variant.
    pub correctness: f64,
    /// The sum of both: the reward of training.
    pub total: f64,
    /// The fault, if the reference raises or a limit is reached. Training uses the other scores all the same.
    pub error: Option<Fault>,
    /// The basis of the correctness.
    pub detail: Detail,
}

impl Scorer {
    /// A scorer of `variant`.
    pub fn new(variant: Variant, normalizer: Normalizer) -> Self {
        Self {
            variant,
            normalizer,
        }
    }

    /// Scores `completion`, which starts inside the thinking, against the target code.
    pub fn score(&self, completion: &str, target: &str) -> Score {
        let pair = Pair::new(completion, target, self.normalizer);
        let measured = self.variant.reward().correctness(&pair);
        let format = format_reward(completion);
        Score {
            format,
            correctness: measured.value,
            total: format + measured.value,
            error: measured.fault,
            detail: measured.detail,
        }
    }

    /// Scores pairs of completion and target in parallel and in order.
    pub fn score_batch<S: AsRef<str> + Sync>(&self, pairs: &[(S, S)]) -> Vec<Score> {
        pairs
            .par_iter()
            .map(|(completion, target)| self.score(completion.as_ref(), target.as_ref()))
            .collect()
    }
}
