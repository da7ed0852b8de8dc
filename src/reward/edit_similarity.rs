//! The edit similarity of the code and the target, both without comments and blank lines.

use rapidfuzz::distance::levenshtein;

use super::{Detail, Fault, Measured, NOT_RUNNABLE, Normalizer, Pair, Reward};

/// ES: `1 - edits / length of the longer`, over code points; 0 without code.
#[derive(Debug)]
pub(super) struct EditSimilarity;

/// ES*: `3.5 ES - 1.5` for code that parses, -2 for what does not.
#[derive(Debug)]
pub(super) struct EditSimilarityStar;

impl Reward for EditSimilarity {
    fn correctness(&self, pair: &Pair<'_>) -> Measured {
        let code = match pair.code() {
            Ok(code) => code,
            Err(failure) => return failure.measured(0.0),
        };
        scored(pair, &code, 0.0, |similarity| similarity)
    }
}

impl Reward for EditSimilarityStar {
    fn correctness(&self, pair: &Pair<'_>) -> Measured {
        let code = match pair.code_that_parses() {
            Ok(code) => code,
            Err(failure) => return failure.measured(NOT_RUNNABLE),
        };
        // In the reference's order of operations, so that the last bit is the same.
        scored(pair, &code, -1.5, |similarity| similarity * 3.5 - 1.5)
    }
}

fn scored(
    pair: &Pair<'_>,
    code: &str,
    without_target: f64,
    scale: impl Fn(f64) -> f64,
) -> Measured {
    let target = match pair.target_code() {
        Ok(target) => target,
        Err(failure) => return failure.measured(without_target),
    };
    let similarity = edit_similarity(code, &target);
    let measured = Measured::new(
        scale(similarity.unwrap_or(1.0)),
        Detail::Compared {
            similarity: similarity.unwrap_or(1.0),
        },
    );
    match (similarity, pair.normalizer()) {
        (None, Normalizer::Published) => measured.with(Fault::NothingToCompare),
        _ => measured,
    }
}

/// `1 - levenshtein / length of the longer`, in code points; `None` for two empty texts.
pub(super) fn edit_similarity(a: &str, b: &str) -> Option<f64> {
    let (distance, longest) = if a.is_ascii() && b.is_ascii() {
        (
            levenshtein::distance(a.bytes(), b.bytes()),
            a.len().max(b.len()),
        )
    } else {
        let longest = a.chars().count().max(b.chars().count());
        (levenshtein::distance(a.chars(), b.chars()), longest)
    };
    (longest > 0).then(|| 1.0 - distance as f64 / longest as f64)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The textbook recurrence, one row at a time.
    fn plain_distance(a: &str, b: &str) -> usize {
        let b: Vec<char> = b.chars().collect();
        let mut row: Vec<usize> = (0..=b.len()).collect();
        for (i, x) in a.chars().enumerate() {
            let mut diagonal = row[0];
            row[0] = i + 1;
            for (j, y) in b.iter().enumerate() {
                let substituted = diagonal + usize::from(x != *y);
                diagonal = row[j + 1];
                row[j + 1] = substituted.min(row[j] + 1).min(diagonal + 1);
            }
        }
        row[b.len()]
    }

    fn plain_similarity(a: &str, b: &str) -> f64 {
        let longest = a.chars().count().max(b.chars().count());
        1.0 - plain_distance(a, b) as f64 / longest as f64
    }

    #[test]
    fn kitten_is_three_edits_from_sitting() {
        // The textbook's example: 3 edits of 7 letters.
        assert_eq!(edit_similarity("kitten", "sitting"), Some(1.0 - 3.0 / 7.0));
    }

    #[test]
    fn a_code_point_is_one_edit() {
        assert_eq!(edit_similarity("aé", "ae"), Some(0.5));
        assert_eq!(edit_similarity("😀x", "😁x"), Some(0.5));
    }

    #[test]
    fn two_empty_texts_have_no_similarity() {
        assert_eq!(edit_similarity("", ""), None);
    }

    proptest! {
        #[test]
        fn bit_parallel_distance_is_the_plain_one(a in "[ab😀\n]{0,200}", b in "[ab😀\n]{0,200}") {
            prop_assume!(!(a.is_empty() && b.is_empty()));
            prop_assert_eq!(edit_similarity(&a, &b), Some(plain_similarity(&a, &b)));
        }

        #[test]
        fn distance_of_ascii_is_the_plain_one(a in "[a-d ]{0,300}", b in "[a-d ]{1,300}") {
            prop_assert_eq!(edit_similarity(&a, &b), Some(plain_similarity(&a, &b)));
        }
    }
}
