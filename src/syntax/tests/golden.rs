//! The published normal form and the syntax check against recorded values.

use serde::Deserialize;

use crate::syntax::{Grammar, check_syntax, normalize_published};

#[derive(Deserialize)]
struct Golden {
    rows: Vec<Row>,
}

/// A row of `tests/golden/rl/comments_syntax.json`: the reference's cleaning, CPython's parser.
#[derive(Deserialize)]
struct Row {
    input: String,
    cleaned: String,
    valid_raw: bool,
    valid_cleaned: bool,
}

fn golden_rows() -> Vec<Row> {
    let text = include_str!("../../../tests/golden/rl/comments_syntax.json");
    let golden: Golden = serde_json::from_str(text).unwrap();
    assert_eq!(golden.rows.len(), 220);
    golden.rows
}

fn parses(code: &str) -> bool {
    check_syntax(code, Grammar::Python311).is_ok()
}

/// Oracle: the reference's own output.
#[test]
fn published_form_is_the_reference_s_on_every_row() {
    for row in golden_rows() {
        assert_eq!(
            normalize_published(&row.input).unwrap(),
            row.cleaned,
            "{:?}",
            row.input
        );
    }
}

/// Oracle: `ast.parse` of CPython 3.11.
#[test]
fn syntax_is_cpython_s_on_every_row() {
    for row in golden_rows() {
        assert_eq!(parses(&row.input), row.valid_raw, "{:?}", row.input);
        assert_eq!(parses(&row.cleaned), row.valid_cleaned, "{:?}", row.cleaned);
    }
}
