//! Evaluating the model while it learns.
//!
//! Training decides when to evaluate and knows which model was the best. Its observer decides what
//! to evaluate, and how.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::settings::{COUNT_OR_ZERO, Kind, settings, whole};

settings! {
    /// Evaluations of the model during training; the table `eval` of `[train]`.
    #[derive(Default, Eq)]
    pub struct EvalSchedule {
        /// The number of steps between two evaluations; there is one after the last step too. 0
        /// turns them off.
        #[key(COUNT_OR_ZERO, default = 0, source = "off")]
        pub every: usize,
        /// The benchmark; its other settings are those of `[eval]`. The figures of a report show the scores.
        #[key(Kind::Benchmark, default = "code_update_arena")]
        pub benchmark: String,
        /// The number of tasks, from the first on; 0 takes all.
        #[key(COUNT_OR_ZERO, default = 20)]
        pub limit: usize,
        /// The number of completions of each task.
        #[key(whole(1, 100_000), default = 1)]
        pub samples: usize,
    }
}

impl EvalSchedule {
    /// Whether there are no evaluations.
    pub fn is_off(&self) -> bool {
        self.every == 0
    }

    /// Whether a model is evaluated after `step` of `steps` steps.
    pub(super) fn is_due(&self, step: usize, steps: usize) -> bool {
        let is_one_of_many = self.every > 0 && step.is_multiple_of(self.every);
        step > 0 && (is_one_of_many || !self.is_off() && step == steps)
    }
}

/// The step whose weights the trained model has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FinalCheckpoint {
    /// The last step.
    #[default]
    Last,
    /// The first step with the most passed samples in its evaluation.
    Best,
}

impl FinalCheckpoint {
    /// Whether it is the last step.
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
    pub(super) fn is_last(&self) -> bool {
        *self == Self::Last
    }
}

/// The result of an evaluation during training. Equal trainings have equal records.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EvaluationRecord {
    /// The step, counted from 1.
    pub step: usize,
    /// The share of samples that passed, in 0..=1.
    #[serde(rename = "pass@1")]
    pub pass_at_1: f64,
    /// The number of samples that passed.
    pub passed: usize,
    /// The number of samples by the name of their verdict, and the number of all samples.
    pub counts: BTreeMap<String, u64>,
}

/// The best evaluation so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Best {
    pub(super) step: usize,
    /// The number of samples that passed; all evaluations of a training have equally many samples.
    pub(super) passed: usize,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn evaluations_are_due_at_multiples_and_at_the_end() {
        let due = |every: usize| -> Vec<usize> {
            let schedule = EvalSchedule {
                every,
                ..EvalSchedule::default()
            };
            (0..=7).filter(|step| schedule.is_due(*step, 7)).collect()
        };

        // Worked out by hand.
        assert_eq!(due(3), [3, 6, 7]);
        assert_eq!(due(7), [7]);
        assert_eq!(due(50), [7]);
        assert_eq!(due(0), [0; 0]);
    }
}
