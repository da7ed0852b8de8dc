//! All variants on the same completions, with scores worked by hand.

use super::fixture::{answer, correctness, scorer};
use crate::reward::{Detail, Fault, Normalizer, Score, Variant};

#[test]
fn a_perfect_answer_with_twelve_literals_fails_only_as_published() {
    let code = "x = ['a','b','c','d','e','f','g','h','i','j','k','l']";
    assert_eq!(
        correctness(Variant::EsStar, Normalizer::Published, code, code),
        -2.0
    );
    assert_eq!(
        correctness(Variant::EsStar, Normalizer::Fixed, code, code),
        2.0
    );
}

/// Where the reference would fill the memory: each literal doubles the text of the one before.
#[test]
fn literals_that_fill_the_memory_are_no_code() {
    let literal = |i| format!("'STRING_PLACEHOLDER_{i} STRING_PLACEHOLDER_{i}'\n");
    let bomb = (1..60).map(literal).collect::<Vec<_>>().concat();
    for (completion, target, value) in [(bomb.as_str(), "x", -2.0), ("x", bomb.as_str(), -1.5)] {
        let score =
            scorer(Variant::EsStar, Normalizer::Published).score(&answer(completion), target);
        assert_eq!(
            (score.correctness, score.error),
            (value, Some(Fault::TooLarge))
        );
    }
}

#[test]
fn two_sides_without_code_are_equal() {
    let published = scorer(Variant::EsStar, Normalizer::Published).score(&answer("# a"), "");
    assert_eq!(published.error, Some(Fault::NothingToCompare));
    assert_eq!(published.total, 3.0);
    let fixed = scorer(Variant::EsStar, Normalizer::Fixed).score(&answer("# a"), "");
    assert_eq!((fixed.error, fixed.total), (None, 3.0));
}

/// By hand: `x = 1` and `x = 2` differ in 1 of 5 code points, and in 1 of 3 nodes.
#[test]
fn the_variants_differ_in_what_they_make_of_one_wrong_digit() {
    for (variant, expected) in [
        (Variant::Format, 0.0),
        (Variant::Em, 0.0),
        (Variant::Es, 0.8),
        (Variant::EmStar, -1.5),
        (Variant::EsStar, 0.8 * 3.5 - 1.5),
        (Variant::Ast, 1.0 - 1.0 / 3.0),
        (Variant::AstStar, (1.0 - 1.0 / 3.0) * 3.5 - 1.5),
    ] {
        let found = correctness(variant, Normalizer::Fixed, "x = 1  # one", "x = 2");
        assert_eq!(found, expected, "{}", variant.name());
    }
}

#[test]
fn unparsable_code_counts_for_the_variants_that_look_at_the_syntax() {
    for (variant, expected) in [
        (Variant::Format, 0.0),
        (Variant::Em, 1.0),
        (Variant::Es, 1.0),
        (Variant::EmStar, -2.0),
        (Variant::EsStar, -2.0),
        (Variant::Ast, 0.0),
        (Variant::AstStar, -2.0),
    ] {
        let found = correctness(variant, Normalizer::Fixed, "x = (", "x = (");
        assert_eq!(found, expected, "{}", variant.name());
    }
}

#[test]
fn without_a_fence_there_is_nothing_to_measure() {
    for (variant, expected) in [
        (Variant::Format, 0.0),
        (Variant::Em, 0.0),
        (Variant::Es, 0.0),
        (Variant::EmStar, -2.0),
        (Variant::EsStar, -2.0),
        (Variant::Ast, 0.0),
        (Variant::AstStar, -2.0),
    ] {
        let score = scorer(variant, Normalizer::Fixed).score("x = 1", "x = 1");
        assert_eq!(score.correctness, expected, "{}", variant.name());
        let is_format = score.detail == Detail::FormatOnly;
        assert!(is_format || score.detail == Detail::NoCode);
    }
}

#[test]
fn a_batch_keeps_the_order() {
    let pairs: Vec<(String, String)> = (0..100)
        .map(|i| (answer(&format!("x = {i}")), "x = 7".to_owned()))
        .collect();
    let scorer = scorer(Variant::EsStar, Normalizer::Fixed);
    let batch = scorer.score_batch(&pairs);
    let one_by_one: Vec<Score> = pairs.iter().map(|(c, t)| scorer.score(c, t)).collect();
    assert_eq!(batch, one_by_one);
}
