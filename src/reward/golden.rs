//! The reference's own scores, recorded, and texts that nobody wrote.

use proptest::prelude::*;
use serde::Deserialize;

use super::{Detail, Fault, Normalizer, RewardSettings, Score, Scorer, Variant};

#[derive(Deserialize)]
struct Golden {
    rows: Vec<Row>,
}

/// A row of `tests/golden/rl/rewards.json`: what the reference said, or what it raised.
#[derive(Deserialize)]
struct Row {
    kind: String,
    completion: String,
    target: String,
    format: f64,
    em_star: Recorded,
    es_star: Recorded,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Recorded {
    Score(f64),
    Raised { error: String },
}

fn scorer(variant: Variant, normalizer: Normalizer) -> Scorer {
    Scorer::new(variant, &RewardSettings { normalizer })
}

fn golden_rows() -> Vec<Row> {
    let golden: Golden =
        serde_json::from_str(include_str!("../../tests/golden/rl/rewards.json")).unwrap();
    assert_eq!(golden.rows.len(), 440);
    golden.rows
}

fn agrees(recorded: &Recorded, score: &Score) -> bool {
    match recorded {
        Recorded::Score(value) => score.error.is_none() && score.correctness == *value,
        Recorded::Raised { error } => score
            .error
            .is_some_and(|fault| fault.to_string().starts_with(error.as_str())),
    }
}

/// Oracle: the reference's output under CPython 3.11, to the last bit.
#[test]
fn published_scores_are_the_reference_s_on_every_row() {
    let mut wrong = Vec::new();
    for row in golden_rows() {
        for (variant, recorded) in [
            (Variant::EmStar, &row.em_star),
            (Variant::EsStar, &row.es_star),
        ] {
            let score = scorer(variant, Normalizer::Published).score(&row.completion, &row.target);
            let total = score.format + score.correctness;
            if !agrees(recorded, &score) || score.format != row.format || score.total != total {
                wrong.push(format!("{} {:?}: {score:?}", row.kind, variant.name()));
            }
        }
    }
    assert!(
        wrong.is_empty(),
        "{} rows differ:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}

fn answer(code: &str) -> String {
    format!("</think><answer>```python\n{code}\n```</answer>")
}

fn correctness(variant: Variant, normalizer: Normalizer, code: &str, target: &str) -> f64 {
    scorer(variant, normalizer)
        .score(&answer(code), target)
        .correctness
}

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
    let scores = Variant::ALL
        .iter()
        .map(|variant| correctness(*variant, Normalizer::Fixed, "x = 1  # one", "x = 2"));
    assert_eq!(
        scores.collect::<Vec<_>>(),
        [
            0.0,
            0.0,
            0.8,
            -1.5,
            0.8 * 3.5 - 1.5,
            1.0 - 1.0 / 3.0,
            (1.0 - 1.0 / 3.0) * 3.5 - 1.5
        ]
    );
}

#[test]
fn unparsable_code_is_told_by_the_variants_that_look_at_the_syntax() {
    let scores = Variant::ALL
        .iter()
        .map(|variant| correctness(*variant, Normalizer::Fixed, "x = (", "x = ("));
    assert_eq!(
        scores.collect::<Vec<_>>(),
        [0.0, 1.0, 1.0, -2.0, -2.0, 0.0, -2.0]
    );
}

#[test]
fn without_a_fence_there_is_nothing_to_measure() {
    let scores: Vec<Score> = Variant::ALL
        .iter()
        .map(|variant| scorer(*variant, Normalizer::Fixed).score("x = 1", "x = 1"))
        .collect();
    assert_eq!(
        scores
            .iter()
            .map(|score| score.correctness)
            .collect::<Vec<_>>(),
        [0.0, 0.0, 0.0, -2.0, -2.0, 0.0, -2.0]
    );
    assert_eq!(scores[4].detail, Detail::NoCode);
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
