//! Python code without comments and blank lines, so that only code is compared.
//!
//! Two ways. [`normalize_published`] is the reference code's, which looks for strings and comments
//! with regular expressions; its faults are part of the paper's rewards. [`normalize_fixed`] is
//! what was meant, on Python's own tokens.
//!
//! # Differences
//!
//! Of `normalize_fixed` against `normalize_published`:
//!
//! - any number of string literals stays as it is; there, the placeholder of the second is a prefix
//!   of the eleventh's, and from the eleventh on literals are corrupted;
//! - an apostrophe in a comment opens no string;
//! - statements that are only a string (docstrings) go, as comments do; there, they stay;
//! - blank lines inside strings stay;
//! - spaces before a removed comment go, at line ends too;
//! - `\r\n` and `\r` end lines as `\n` does.

use std::ops::Range;

use ruff_python_ast::token::TokenKind;

use super::parse::{Token, with_tokens, with_unix_line_ends};

/// Why code has no published normal form.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NormalizeError {
    /// Literals that contain the text of placeholders grow with every replacement.
    #[error("string literals that name one another's placeholders grow beyond {LARGEST} bytes")]
    TooLarge,
}

/// What the reference puts in a string's place, followed by the string's number.
const PLACEHOLDER: &str = "STRING_PLACEHOLDER_";
/// The most bytes that putting literals back may make, or look through.
const LARGEST: usize = 64 << 20;

/// White space as Python's `str.isspace` has it: Unicode's and the four ASCII separators.
pub fn is_python_space(c: char) -> bool {
    c.is_whitespace() || matches!(c, '\u{1c}'..='\u{1f}')
}

/// Removes comments and blank lines as the reference code does.
pub fn normalize_published(code: &str) -> Result<String, NormalizeError> {
    let (masked, literals) = mask_strings(code);
    let uncommented = without_hash_to_line_end(&masked);
    let restored = if code.contains(PLACEHOLDER) {
        restore_one_by_one(uncommented, &literals)?
    } else {
        restore_in_one_pass(&uncommented, &literals)
    };
    // The reference then deletes lines of white space once more, but none can be left.
    Ok(without_blank_lines(&restored)
        .trim_matches(is_python_space)
        .to_owned())
}

/// Puts a placeholder in the place of everything between quotes, comments notwithstanding.
fn mask_strings(code: &str) -> (String, Vec<&str>) {
    let mut masked = String::with_capacity(code.len());
    let mut literals = Vec::new();
    let mut rest = code;
    while let Some(at) = rest.find(['\'', '"']) {
        let (before, from_quote) = rest.split_at(at);
        masked.push_str(before);
        let taken = literal_length(from_quote);
        let (literal, after) = from_quote.split_at(taken.unwrap_or(1));
        if taken.is_some() {
            masked.push_str(PLACEHOLDER);
            masked.push_str(&literals.len().to_string());
            literals.push(literal);
        } else {
            masked.push_str(literal);
        }
        rest = after;
    }
    masked.push_str(rest);
    (masked, literals)
}

/// The bytes of the literal that `text`, which begins with a quote, opens; escapes do not count.
fn literal_length(text: &str) -> Option<usize> {
    let quote = text.get(..1)?;
    let triple = quote.repeat(3);
    let closed_by = |mark: &str| {
        let inside = text.strip_prefix(mark)?;
        inside.find(mark).map(|length| length + 2 * mark.len())
    };
    closed_by(&triple).or_else(|| closed_by(quote))
}

fn without_hash_to_line_end(masked: &str) -> String {
    let lines = masked
        .split('\n')
        .map(|line| line.split_once('#').map_or(line, |(code, _)| code));
    lines.collect::<Vec<_>>().join("\n")
}

/// Replaces every placeholder, as the reference does: one after the other, in all of the text.
fn restore_one_by_one(mut text: String, literals: &[&str]) -> Result<String, NormalizeError> {
    let mut looked_through = 0;
    for (number, literal) in literals.iter().enumerate() {
        let placeholder = format!("{PLACEHOLDER}{number}");
        let growth = text
            .matches(&placeholder)
            .count()
            .saturating_mul(literal.len());
        looked_through += text.len();
        if growth > LARGEST || looked_through > LARGEST {
            return Err(NormalizeError::TooLarge);
        }
        text = text.replace(&placeholder, literal);
    }
    Ok(text)
}

/// Does the same for code that has no placeholder of its own.
///
/// There the first replacement that fits a placeholder is that of its first digit: literal 1 comes
/// before 10 to 19, and takes their places.
fn restore_in_one_pass(text: &str, literals: &[&str]) -> String {
    let mut restored = String::with_capacity(text.len());
    let mut parts = text.split(PLACEHOLDER);
    restored.push_str(parts.next().unwrap_or_default());
    for part in parts {
        let mut characters = part.chars();
        let digit = characters
            .next()
            .and_then(|digit| digit.to_digit(10))
            .unwrap_or_default();
        restored.push_str(literals.get(digit as usize).copied().unwrap_or_default());
        restored.push_str(characters.as_str());
    }
    restored
}

/// Replaces a line break, white space and a line break by one line break: `\n\s*\n`.
fn without_blank_lines(text: &str) -> String {
    let mut kept = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('\n') {
        kept.push_str(before);
        kept.push('\n');
        let white = after.len() - after.trim_start_matches(is_python_space).len();
        let (white, _) = after.split_at(white);
        let skipped = white.rfind('\n').map_or(0, |last| last + 1);
        rest = after.split_at(skipped).1;
    }
    kept.push_str(rest);
    kept
}

/// Removes comments, string statements and blank lines, by Python's own tokens.
pub fn normalize_fixed(code: &str) -> String {
    let code = with_unix_line_ends(code);
    let pieces = with_tokens(&code, |tokens| {
        (comments(tokens), string_statements(tokens), solid(tokens))
    });
    // What nests too deeply to be read is no code: it keeps its text.
    let Some((mut cuts, statements, solid)) = pieces else {
        return code.into_owned();
    };
    cuts.extend(statements);
    cuts.sort_by_key(|cut| cut.start);
    let mut kept = Vec::new();
    for line in logical_pieces(&code, &solid) {
        let text = without_cuts(&code, line, &cuts);
        let text = text.trim_end_matches(is_python_space);
        if !text.is_empty() {
            kept.push(text.to_owned());
        }
    }
    kept.join("\n").trim_matches(is_python_space).to_owned()
}

fn comments(tokens: &[Token]) -> Vec<Range<usize>> {
    let comments = tokens
        .iter()
        .filter(|token| token.kind == TokenKind::Comment);
    comments.map(|token| token.start..token.end).collect()
}

/// Statements that are nothing but string literals.
fn string_statements(tokens: &[Token]) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    // The first byte of the strings that the statement so far consists of.
    let mut first_string = None;
    let mut at_start = true;
    for token in tokens {
        match token.kind {
            TokenKind::Newline | TokenKind::EndOfFile | TokenKind::Indent | TokenKind::Dedent => {
                found.extend(first_string.take().map(|start| start..token.start));
                at_start = true;
            }
            TokenKind::String if at_start => {
                first_string = Some(token.start);
                at_start = false;
            }
            TokenKind::String | TokenKind::Comment | TokenKind::NonLogicalNewline => {}
            _ => (first_string, at_start) = (None, false),
        }
    }
    found
}

/// Tokens whose line breaks are their own: strings, and f-strings from start to end.
fn solid(tokens: &[Token]) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let mut open = Vec::new();
    for token in tokens {
        match token.kind {
            TokenKind::String if open.is_empty() => found.push(token.start..token.end),
            TokenKind::FStringStart | TokenKind::TStringStart => open.push(token.start),
            TokenKind::FStringEnd | TokenKind::TStringEnd => {
                let start = open.pop();
                found.extend(
                    start
                        .filter(|_| open.is_empty())
                        .map(|start| start..token.end),
                );
            }
            _ => {}
        }
    }
    found
}

/// The lines of `code`, where a line break within one of `solid` ends none.
fn logical_pieces(code: &str, solid: &[Range<usize>]) -> Vec<Range<usize>> {
    let mut pieces = Vec::new();
    let mut start = 0;
    let mut solid = solid.iter().peekable();
    for (at, _) in code.match_indices('\n') {
        while solid.next_if(|range| range.end <= at).is_some() {}
        if solid.peek().is_none_or(|range| at < range.start) {
            pieces.push(start..at);
            start = at + 1;
        }
    }
    pieces.push(start..code.len());
    pieces
}

fn without_cuts(code: &str, line: Range<usize>, cuts: &[Range<usize>]) -> String {
    let mut text = String::with_capacity(line.len());
    let mut from = line.start;
    let first = cuts.partition_point(|cut| cut.end <= line.start);
    for cut in cuts
        .iter()
        .skip(first)
        .take_while(|cut| cut.start < line.end)
    {
        text.push_str(code.get(from..cut.start.max(from)).unwrap_or_default());
        from = cut.end.min(line.end).max(from);
    }
    text.push_str(code.get(from..line.end).unwrap_or_default());
    text
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde::Deserialize;

    use super::*;
    use crate::syntax::{Grammar, check_syntax};

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
        let text = include_str!("../../tests/golden/rl/comments_syntax.json");
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

    #[test]
    fn comments_blank_lines_and_docstrings_go() {
        let code = "# head\n\ndef f(x):  # it's\n    \"\"\"Doc.\n\n    More.\"\"\"\n\n    # body\n    return '#' + x # end\n";
        assert_eq!(normalize_fixed(code), "def f(x):\n    return '#' + x");
    }

    #[test]
    fn strings_that_are_values_stay_whole() {
        let code = "x = '''a\n\n  # b\n'''\ny = f'''{x}\n\n# c'''";
        assert_eq!(normalize_fixed(code), code);
    }

    #[test]
    fn line_ends_of_windows_are_line_ends() {
        assert_eq!(normalize_fixed("x = 1\r\n\r\ny = 2\r\n"), "x = 1\ny = 2");
    }

    #[test]
    fn literals_that_name_one_another_end_in_an_error() {
        let literal = |i| format!("'{PLACEHOLDER}{i} {PLACEHOLDER}{i}'\n");
        let bomb = (1..60).map(literal).collect::<Vec<_>>().concat();
        assert_eq!(normalize_published(&bomb), Err(NormalizeError::TooLarge));
    }

    proptest! {
        #[test]
        fn one_pass_restores_what_replacing_one_by_one_does(
            code in "([ab0-9'\"# \n]|'''|'x'){0,120}",
        ) {
            let (masked, literals) = mask_strings(&code);
            let masked = without_hash_to_line_end(&masked);
            let slow = restore_one_by_one(masked.clone(), &literals).unwrap();
            prop_assert_eq!(restore_in_one_pass(&masked, &literals), slow);
        }

        #[test]
        fn no_text_panics(code in any::<String>()) {
            let _ = normalize_published(&code);
            let _ = normalize_fixed(&code);
        }
    }
}
