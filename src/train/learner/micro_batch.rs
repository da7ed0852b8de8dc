//! Which sequences go through the model together.

/// Splits sequences, given as their prompts' and completions' lengths, into micro-batches.
///
/// No rectangle has more than `most_tokens` places, unless a single sequence has. Long sequences
/// come first, beside others of their length, so that little of a rectangle is padding.
pub(in crate::train) fn micro_batches(
    lengths: &[(usize, usize)],
    most_tokens: usize,
) -> Vec<Vec<usize>> {
    let mut order: Vec<usize> = (0..lengths.len()).collect();
    order.sort_by_key(|index| {
        let (prompt, completion) = lengths[*index];
        (std::cmp::Reverse(prompt + completion), *index)
    });
    let mut batches: Vec<Vec<usize>> = Vec::new();
    let mut rectangle = (0, 0);
    for index in order {
        let (prompt, completion) = lengths[index];
        let grown = (rectangle.0.max(prompt), rectangle.1.max(completion));
        match batches.last_mut() {
            Some(batch) if (batch.len() + 1) * (grown.0 + grown.1) <= most_tokens => {
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

    #[test]
    fn every_sequence_is_in_one_rectangle_of_the_allowed_size() {
        let lengths = [(3, 4), (1, 1), (5, 9), (2, 2), (3, 4), (40, 2)];

        let batches = micro_batches(&lengths, 30);

        // Worked by hand: 42 alone is over the limit, 14 alone (7 more would make 2 x 14 = 28 <= 30,
        // so it is joined), then 7 + 4 + 2 in 3 x 7 = 21.
        assert_eq!(batches, [vec![5], vec![2, 0], vec![4, 3, 1]]);
    }

    #[test]
    fn nothing_gives_no_batch() {
        assert!(micro_batches(&[], 10).is_empty());
    }
}
