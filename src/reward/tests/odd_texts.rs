//! Texts that no model should write: none panics, and no score leaves its range.

use proptest::prelude::*;

use super::fixture::{answer, correctness, scorer};
use crate::reward::{Normalizer, Variant};

#[test]
fn a_hundred_thousand_signs_neither_parse_nor_overflow_the_stack() {
    for text in [
        "-",
        "(",
        "not ",
        "lambda a,b:",
        "f'{",
        "a.",
        "[a,",
        "if x: ",
        "x if y else ",
    ] {
        let code = text.repeat(100_000);
        for variant in [Variant::EsStar, Variant::AstStar] {
            for normalizer in [Normalizer::Published, Normalizer::Fixed] {
                let score = correctness(variant, normalizer, &code, "x");
                assert_eq!(score, -2.0, "{text}, {variant:?}, {normalizer:?}");
            }
        }
    }
}

/// Text that is dense in what the scorer looks for.
fn code_like() -> impl Strategy<Value = String> {
    let pieces = prop_oneof![
        Just("<think>"),
        Just("</think>"),
        Just("<answer>"),
        Just("</answer>"),
        Just("```python\n"),
        Just("\n```"),
        Just("```"),
        Just("\r\n"),
        Just("\n"),
        Just(" "),
        Just("'"),
        Just("\""),
        Just("'''"),
        Just("\"\"\""),
        Just("#"),
        Just("\\"),
        Just("f'{x}'"),
        Just("f\"{"),
        Just("}"),
        Just("STRING_PLACEHOLDER_1"),
        Just("é"),
        Just("😀"),
        Just("\u{1c}"),
        Just("\0"),
        Just("\u{feff}"),
        Just("def f():"),
        Just("    "),
        Just("\t"),
        Just("x"),
        Just("="),
        Just("1"),
        Just("("),
        Just(")"),
        Just(","),
        Just(":"),
        Just("lambda"),
    ];
    prop::collection::vec(
        prop_oneof![4 => pieces.prop_map(str::to_owned), 1 => any::<String>()],
        0..40,
    )
    .prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn no_text_panics_and_no_score_leaves_its_range(
        completion in code_like(), target in code_like(), fenced in any::<bool>(),
    ) {
        let completion = if fenced { answer(&completion) } else { completion };
        for variant in Variant::ALL {
            for normalizer in [Normalizer::Published, Normalizer::Fixed] {
                let score = scorer(*variant, normalizer).score(&completion, &target);
                prop_assert!((-2.0..=2.0).contains(&score.correctness));
                prop_assert_eq!(score.total, score.format + score.correctness);
            }
        }
    }
}
