//! The part of a batch that goes through the model at once.

use burn::tensor::Tensor;

use crate::model::{Decoder, Dropout, LogProbs, TokenBatch, Wanted};

use super::{diagnostics::Diagnostics, optimizer::Named};

/// A prompt and its completion.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::train) struct Sequence {
    pub(in crate::train) prompt: Vec<u32>,
    pub(in crate::train) completion: Vec<u32>,
}

impl Sequence {
    /// The number of tokens.
    pub(in crate::train) fn len(&self) -> usize {
        self.prompt.len() + self.completion.len()
    }
}

/// The contribution of a micro-batch to the loss of its batch, and what was measured on the way.
pub(in crate::train) type Loss<'a> =
    dyn Fn(MicroBatchScores<'_>) -> (Tensor<1>, Diagnostics) + Sync + 'a;

/// A micro-batch with the scores that the model in training gives it.
pub(in crate::train) struct MicroBatchScores<'a> {
    /// The indices of its sequences in the batch.
    pub(in crate::train) rows: &'a [usize],
    pub(in crate::train) tokens: &'a TokenBatch,
    pub(in crate::train) scores: LogProbs,
}

/// The contribution of a micro-batch to an update.
pub(super) struct MicroBatchGradients {
    pub(super) gradients: Named,
    pub(super) loss: Tensor<1>,
    pub(super) diagnostics: Diagnostics,
}

/// Some sequences of a batch, before their way through the model.
#[derive(Clone, Copy)]
pub(super) struct MicroBatch<'a> {
    pub(super) sequences: &'a [Sequence],
    /// The indices of its sequences.
    pub(super) rows: &'a [usize],
    /// The divisor of the logits.
    pub(super) temperature: f64,
    pub(super) wanted: Wanted<'a>,
    /// Whether only the graph of one block at a time is kept.
    pub(super) by_block: bool,
}

impl MicroBatch<'_> {
    /// Its tokens.
    pub(super) fn tokens(&self) -> TokenBatch {
        token_batch(self.sequences, self.rows)
    }

    /// Runs forward and backward.
    pub(super) fn gradients(
        self,
        decoder: &Decoder,
        dropout: Option<&mut Dropout>,
        loss: &Loss<'_>,
    ) -> MicroBatchGradients {
        let tokens = self.tokens();
        let mut diagnostics = Diagnostics::default();
        let mut loss_of = |scores| {
            let (loss, measured) = loss(MicroBatchScores {
                rows: self.rows,
                tokens: &tokens,
                scores,
            });
            diagnostics = measured;
            loss
        };
        let (loss, gradients) = if self.by_block {
            decoder.backward_by_block(&tokens, self.temperature, dropout, self.wanted, loss_of)
        } else {
            let scores = decoder.scores(&tokens, self.temperature, dropout, self.wanted);
            let loss = loss_of(scores);
            let mut gradients = loss.backward();
            (loss.inner(), decoder.gradients(&mut gradients))
        };
        MicroBatchGradients {
            gradients,
            loss,
            diagnostics,
        }
    }
}

/// The tokens of the sequences `rows`, padded to a rectangle.
pub(super) fn token_batch(sequences: &[Sequence], rows: &[usize]) -> TokenBatch {
    let prompts: Vec<_> = rows
        .iter()
        .map(|row| sequences[*row].prompt.clone())
        .collect();
    let completions: Vec<_> = rows
        .iter()
        .map(|row| sequences[*row].completion.clone())
        .collect();
    TokenBatch::new(&prompts, &completions)
}

/// Splits a batch into micro-batches; each is a list of indices of sequences.
///
/// No padded rectangle has more than `max_tokens` tokens, unless a single sequence has more. Long
/// sequences come first, each next to others of similar length, so that there is little padding.
pub(super) fn split(sequences: &[Sequence], max_tokens: usize) -> Vec<Vec<usize>> {
    let mut order: Vec<usize> = (0..sequences.len()).collect();
    order.sort_by_key(|index| (std::cmp::Reverse(sequences[*index].len()), *index));
    let mut batches: Vec<Vec<usize>> = Vec::new();
    let mut rectangle = (0, 0);
    for index in order {
        let sequence = &sequences[index];
        let (prompt, completion) = (sequence.prompt.len(), sequence.completion.len());
        let grown = (rectangle.0.max(prompt), rectangle.1.max(completion));
        match batches.last_mut() {
            Some(batch) if (batch.len() + 1) * (grown.0 + grown.1) <= max_tokens => {
                batch.push(index);
                rectangle = grown;
            }
            _ => {
                batches.push(vec![index]);
                rectangle = (prompt, completion);
            }
        }
    }
    batches
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sequence((prompt, completion): (usize, usize)) -> Sequence {
        Sequence {
            prompt: vec![1; prompt],
            completion: vec![2; completion],
        }
    }

    #[test]
    fn every_sequence_is_in_one_rectangle_of_the_allowed_size() {
        let sequences = [(3, 4), (1, 1), (5, 9), (2, 2), (3, 4), (40, 2)].map(sequence);

        let batches = split(&sequences, 30);

        // Worked by hand: 42 alone exceeds the limit. 14 is joined by 7, since 2 x 14 = 28 <= 30.
        // Then 7, 4 and 2 share a rectangle of 3 x 7 = 21.
        assert_eq!(batches, [vec![5], vec![2, 0], vec![4, 3, 1]]);
    }

    #[test]
    fn an_empty_batch_has_no_micro_batches() {
        assert!(split(&[], 10).is_empty());
    }
}
