//! The reference's own scores, recorded.

use serde::Deserialize;

use super::fixture::scorer;
use crate::reward::{Normalizer, Score, Variant};

#[derive(Deserialize)]
struct Golden {
    rows: Vec<Row>,
}

/// A row of `tests/golden/rl/rewards.json`: the reference's score, or what it raised.
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

fn golden_rows() -> Vec<Row> {
    let golden: Golden =
        serde_json::from_str(include_str!("../../../tests/golden/rl/rewards.json")).unwrap();
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
