//! Rows that the model sometimes solves are drawn more often than those that it always or never solves.
//!
//! Before the first step the model answers each row a few times. From its pass rate `p` the row gets the
//! weight `least + (1 - least) · 4 p (1 - p)`, which is 1 where half of the answers succeed and `least`
//! where all or none do: there, a group of completions has equal rewards and nothing to learn from.

use crate::settings::{COUNT_OR_ZERO, Kind, Range, from_to, settings};

settings! {
    /// Rows are drawn by how often the untrained model solves them; the table `curriculum` of `[train]`.
    #[derive(Default)]
    pub struct Curriculum {
        /// The number of answers to each row before the first step; 0 turns it off, and each row is drawn
        /// equally often.
        #[key(COUNT_OR_ZERO, default = 0, source = "off")]
        pub samples: usize,
        /// The total reward from which on an answer counts as a success; without it, an answer succeeds if
        /// it passes all tests that are rewarded or, where none are run, has the code of the target.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[key(Kind::Number(REWARD))]
        pub success: Option<f64>,
        /// The weight of a row that all or no answers solve; one that half of them solve has 1.
        #[key(from_to(0.0, 1.0), default = 0.2, source = "ours")]
        pub least: f64,
    }
}

/// Any total reward.
const REWARD: Range = Range {
    low: -1e6,
    high: 1e6,
    is_open_below: false,
    is_open_above: false,
};

impl Curriculum {
    /// Whether all rows are drawn equally often.
    pub fn is_off(&self) -> bool {
        self.samples == 0
    }

    /// The weight of a row with this pass rate.
    pub(super) fn weight(&self, pass_rate: f64) -> f64 {
        self.least + (1.0 - self.least) * 4.0 * pass_rate * (1.0 - pass_rate)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// By hand.
    #[test]
    fn a_row_that_half_of_the_answers_solve_weighs_most() {
        let curriculum = Curriculum {
            samples: 4,
            success: None,
            least: 0.2,
        };
        let weights = [0.0, 0.25, 0.5, 0.75, 1.0].map(|rate| curriculum.weight(rate));
        let expected = [0.2, 0.2 + 0.8 * 0.75, 1.0, 0.2 + 0.8 * 0.75, 0.2];
        for (weight, expected) in weights.iter().zip(expected) {
            assert!((weight - expected).abs() < 1e-15, "{weight} {expected}");
        }
    }
}
