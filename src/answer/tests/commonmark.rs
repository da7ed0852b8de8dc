//! The blocks of generated answers, compared with those of another reader of `CommonMark`.

use std::{env, fs};

use serde::Deserialize;

use crate::answer::{blocks, label};

/// A line of `tests/golden/answers/fences.jsonl`.
#[derive(Deserialize)]
struct Case {
    text: String,
    /// Whether it has a fence, the words after the fence, and the code.
    blocks: Vec<(bool, String, String)>,
}

/// Oracle: markdown-it-py, by `tests/golden/answers/make/fences.py`. `RECODE_FENCES` may name a file with more answers.
#[test]
fn blocks_are_those_of_another_reader() {
    let text = env::var("RECODE_FENCES").map_or_else(
        |_| include_str!("../../../tests/golden/answers/fences.jsonl").to_owned(),
        |path| fs::read_to_string(path).unwrap(),
    );
    let (mut count, mut found, mut wrong) = (0, 0, Vec::new());
    for line in text.lines() {
        let case: Case = serde_json::from_str(line).unwrap();
        count += 1;
        let ours: Vec<_> = blocks::plain_blocks(&case.text)
            .into_iter()
            .map(|block| (block.is_fenced, block.language, block.code))
            .collect();
        let expected: Vec<_> = case
            .blocks
            .into_iter()
            .map(|(is_fenced, info, code)| {
                let code = code.strip_suffix('\n').unwrap_or(&code).to_owned();
                (is_fenced, label::language(&info), code)
            })
            .collect();
        found += ours.len();
        if ours != expected {
            wrong.push(format!(
                "{:?}\n  ours {ours:?}\n  expected {expected:?}",
                case.text
            ));
        }
    }
    assert!(
        count >= 400 && found >= 400 && wrong.is_empty(),
        "{} of {count} differ:\n{}",
        wrong.len(),
        wrong
            .iter()
            .take(20)
            .cloned()
            .collect::<Vec<_>>()
            .join("\n")
    );
}
