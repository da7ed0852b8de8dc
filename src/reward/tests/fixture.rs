//! Scorers and completions for tests.

use crate::reward::{Normalizer, Scorer, Variant};

pub(super) fn scorer(variant: Variant, normalizer: Normalizer) -> Scorer {
    Scorer::new(variant, normalizer)
}

/// A well-formed completion whose code is `code`.
pub(super) fn answer(code: &str) -> String {
    format!("</think><answer>```python\n{code}\n```</answer>")
}

pub(super) fn correctness(
    variant: Variant,
    normalizer: Normalizer,
    code: &str,
    target: &str,
) -> f64 {
    scorer(variant, normalizer)
        .score(&answer(code), target)
        .correctness
}
