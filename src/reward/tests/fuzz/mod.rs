//! Many generated texts, none of which may panic or break a law of the scores.
//!
//! `RECODE_FUZZ_CASES` is their number (10,000 by default; `just fuzz` tries a million). A case depends only on its
//! number, so that a failure can be repeated: `RECODE_FUZZ_FIRST` is the first number.

mod inputs;

use std::{
    env,
    panic::{AssertUnwindSafe, catch_unwind},
};

use rayon::prelude::*;

use crate::{
    reward::{Normalizer, Score, Scorer, Variant, edit_similarity, extract},
    syntax::{Grammar, check_syntax, is_python_space, normalize_fixed, normalize_published},
};
use inputs::{Goldens, Random};

const MODES: [Normalizer; 2] = [Normalizer::Published, Normalizer::Fixed];
/// Pairs in the batches that are compared with single scores.
const BATCH: u64 = 16;

/// The completion of a model that answers as it was asked.
fn rendered(code: &str) -> String {
    format!(" Thought.\n</think>\n<answer>\n```python\n{code}\n```\n</answer>")
}

fn number_from(variable: &str, default: u64) -> u64 {
    env::var(variable).map_or(default, |text| text.parse().expect("a number of cases"))
}

#[test]
fn no_text_panics_or_breaks_a_law() {
    let goldens = Goldens::read();
    let first = number_from("RECODE_FUZZ_FIRST", 0);
    let cases = number_from("RECODE_FUZZ_CASES", 10_000);
    let broken: Vec<String> = (0..cases.div_ceil(BATCH))
        .into_par_iter()
        .filter_map(|batch| {
            let numbers = (first + batch * BATCH)..(first + (batch + 1) * BATCH);
            catch_unwind(AssertUnwindSafe(|| batch_of(numbers.clone(), &goldens)))
                .unwrap_or_else(|_| Err(format!("a panic in the cases {numbers:?}")))
                .err()
        })
        .collect();
    assert!(
        broken.is_empty(),
        "{} of {cases} cases:\n{}",
        broken.len(),
        broken
            .iter()
            .take(10)
            .cloned()
            .collect::<Vec<_>>()
            .join("\n")
    );
}

fn batch_of(numbers: std::ops::Range<u64>, goldens: &Goldens) -> Result<(), String> {
    let (mut pairs, mut scores) = (Vec::new(), Vec::new());
    for number in numbers {
        let mut random = Random(number);
        let code = inputs::text(&mut random, goldens);
        let target = if random.below(2) == 0 {
            inputs::mutated(&mut random, &code, 2)
        } else {
            inputs::text(&mut random, goldens)
        };
        let completion = inputs::completion(&mut random, &code);
        let described = |law| {
            format!(
                "case {number}: {law}\n  code {code:?}\n  target {target:?}\n  completion {completion:?}"
            )
        };
        laws_of_texts(&code, &target).map_err(described)?;
        let score =
            |(variant, normalizer)| Scorer::new(variant, normalizer).score(&completion, &target);
        let found: Vec<Score> = choices().map(score).collect();
        laws_of_scores(&found).map_err(described)?;
        scores.push(found);
        pairs.push((completion, target));
    }
    for (place, (variant, normalizer)) in choices().enumerate() {
        let single: Vec<Score> = scores.iter().map(|scores| scores[place]).collect();
        let scorer = Scorer::new(variant, normalizer);
        if scorer.score_batch(&pairs) != single {
            return Err(format!("a batch has other scores: {pairs:?}"));
        }
    }
    Ok(())
}

fn choices() -> impl Iterator<Item = (Variant, Normalizer)> {
    let all = Variant::ALL.iter();
    all.flat_map(|variant| MODES.map(|mode| (*variant, mode)))
}

fn law(holds: bool, name: &'static str) -> Result<(), &'static str> {
    if holds { Ok(()) } else { Err(name) }
}

/// What holds for the code and the target alone.
fn laws_of_texts(code: &str, target: &str) -> Result<(), &'static str> {
    let fixed = normalize_fixed(code);
    // Where quotes are unbalanced, the text after a cut can have another meaning.
    if check_syntax(code, Grammar::Python313).is_ok() {
        law(
            normalize_fixed(&fixed) == fixed,
            "the fixed form is its own",
        )?;
    }
    // A text that nests beyond all limits is kept as it is.
    let is_shallow = code.matches(['(', '[', '{']).count() < 100;
    if is_shallow && !code.contains(['\'', '"', '#', '\r']) {
        law(
            is_only_stripped(code),
            "without literals both forms are alike",
        )?;
    }
    if !code.contains('\r') {
        let other = code.replace('\n', "\r\n");
        law(
            normalize_fixed(&other) == fixed,
            "the fixed form takes every line end",
        )?;
        for grammar in [Grammar::Python311, Grammar::Python313] {
            law(
                check_syntax(&other, grammar) == check_syntax(code, grammar),
                "the syntax takes every line end",
            )?;
        }
    }
    let there = edit_similarity::edit_similarity(code, target);
    law(
        there == edit_similarity::edit_similarity(target, code),
        "edit similarity is symmetric",
    )?;
    let itself = edit_similarity::edit_similarity(code, code);
    law(
        itself.is_none_or(|value| value == 1.0),
        "a text is similar to itself",
    )?;
    let trimmed = code.trim_matches(is_python_space);
    let completion = rendered(code);
    if !code.contains("\n```") && !code.starts_with("```") {
        let found = extract::fenced_code(&completion, target, Normalizer::Published);
        law(
            found.as_deref() == Some(trimmed),
            "the published fence of an answer is its code",
        )?;
    }
    if !code.contains("```") {
        let unix = code.replace("\r\n", "\n").replace('\r', "\n");
        let found = extract::fenced_code(&completion, target, Normalizer::Fixed);
        law(
            found.as_deref() == Some(unix.trim_matches(is_python_space)),
            "the fence of an answer is its code",
        )?;
    }
    Ok(())
}

/// Whether both normal forms of a text without quotes, `#` and `\r` are its lines that are not blank.
fn is_only_stripped(code: &str) -> bool {
    let lines = code
        .split('\n')
        .map(|line| line.trim_end_matches(is_python_space));
    let kept: Vec<&str> = lines.filter(|line| !line.is_empty()).collect();
    let expected = kept.join("\n");
    let expected = expected.trim_matches(is_python_space);
    let published = normalize_published(code).unwrap();
    let published = published
        .split('\n')
        .map(|line| line.trim_end_matches(is_python_space));
    normalize_fixed(code) == expected && published.collect::<Vec<_>>().join("\n") == expected
}

/// What holds for the scores of a completion, one for each of [`choices`].
fn laws_of_scores(scores: &[Score]) -> Result<(), &'static str> {
    for ((variant, mode), score) in choices().zip(scores) {
        let value = score.correctness;
        let in_range = match variant {
            Variant::Format => value == 0.0,
            Variant::Em => [0.0, 1.0].contains(&value),
            Variant::EmStar => [-2.0, -1.5, 2.0].contains(&value),
            Variant::Es | Variant::Ast => (0.0..=1.0).contains(&value),
            _ => (-2.0..=2.0).contains(&value),
        };
        law(in_range, "a correctness is in its range")?;
        law([-1.0, 1.0].contains(&score.format), "the format is 1 or -1")?;
        law(score.total == score.format + value, "the total is the sum")?;
        let may_raise = mode == Normalizer::Published;
        law(
            may_raise || score.error.is_none(),
            "as fixed nothing raises",
        )?;
    }
    for mode in MODES {
        let value = |wanted| {
            let mut all = choices().zip(scores);
            let found = all.find(|(choice, _)| *choice == (wanted, mode));
            found.map_or(f64::NAN, |(_, score)| score.correctness)
        };
        for (star, plain) in [
            (Variant::EsStar, Variant::Es),
            (Variant::AstStar, Variant::Ast),
        ] {
            let (star, plain) = (value(star), value(plain));
            let is_scaled = star == -2.0 || star == plain * 3.5 - 1.5;
            law(is_scaled, "a starred similarity is the plain one, scaled")?;
        }
        let is_equal = value(Variant::EmStar) == 2.0;
        law(
            !is_equal || value(Variant::Es) == 1.0,
            "equal code is similar",
        )?;
    }
    Ok(())
}
