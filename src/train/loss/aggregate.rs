//! How the losses of tokens become one number.

use serde::{Deserialize, Serialize};

/// How the losses of tokens become one number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Aggregation {
    /// The mean over sequences of the mean over their tokens (GRPO).
    Sequence,
    /// The mean over sequences of the sum over their tokens (RLOO).
    SequenceSum,
    /// The mean over all tokens of the batch (DAPO, BNPO).
    Token,
    /// The sum over tokens, divided by `sequences * max_completion_tokens` (Dr.GRPO).
    Constant,
}

/// The weight of each token of each sequence, so that the weighted sum is the aggregated loss.
///
/// The denominators are those of the whole batch, so that every split into micro-batches has the
/// same loss. A sequence without tokens counts as a sequence and adds nothing.
pub(in crate::train) fn sequence_weights(
    aggregation: Aggregation,
    lengths: &[usize],
    max_completion_tokens: usize,
) -> Vec<f64> {
    let sequences = lengths.len().max(1) as f64;
    let total = lengths.iter().sum::<usize>().max(1) as f64;
    let weight = |length: &usize| match aggregation {
        Aggregation::Sequence => 1.0 / (sequences * (*length).max(1) as f64),
        Aggregation::SequenceSum => 1.0 / sequences,
        Aggregation::Token => 1.0 / total,
        Aggregation::Constant => 1.0 / (sequences * max_completion_tokens.max(1) as f64),
    };
    lengths.iter().map(weight).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_weights_of_a_batch_are_those_worked_out_by_hand() {
        let lengths = [4, 0, 1];

        // Three sequences: 1/(3*4), 1/(3*max(0, 1)), 1/(3*1).
        let sequence = sequence_weights(Aggregation::Sequence, &lengths, 10);
        assert_eq!(sequence, [1.0 / 12.0, 1.0 / 3.0, 1.0 / 3.0]);
        assert_eq!(
            sequence_weights(Aggregation::SequenceSum, &lengths, 10),
            [1.0 / 3.0; 3]
        );
        assert_eq!(sequence_weights(Aggregation::Token, &lengths, 10), [0.2; 3]);
        assert_eq!(
            sequence_weights(Aggregation::Constant, &lengths, 10),
            [1.0 / 30.0; 3]
        );
    }

    #[test]
    fn an_empty_batch_does_not_divide_by_zero() {
        assert_eq!(sequence_weights(Aggregation::Token, &[0, 0], 0), [1.0; 2]);
        assert_eq!(sequence_weights(Aggregation::Constant, &[0], 0), [1.0]);
    }
}
