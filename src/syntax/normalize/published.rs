//! The normal form of the paper's reference code, faults included.

use crate::syntax::white_space::is_python_space;

/// Why code has no published normal form.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NormalizeError {
    /// Literals that contain placeholders grow with every replacement.
    #[error("string literals that name one another's placeholders grow beyond {LARGEST} bytes")]
    TooLarge,
}

/// The text by which the reference replaces a string, followed by the string's number.
const PLACEHOLDER: &str = "STRING_PLACEHOLDER_";
/// The most bytes that restoring literals may produce, or search.
const LARGEST: usize = 64 << 20;

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

/// Replaces everything between quotes by a placeholder, inside comments too.
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

/// The length in bytes of the literal that starts `text`, which begins with a quote; escapes are ignored.
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

/// Replaces every placeholder as the reference does: one after the other, in the whole text.
fn restore_one_by_one(mut text: String, literals: &[&str]) -> Result<String, NormalizeError> {
    let mut searched = 0;
    for (number, literal) in literals.iter().enumerate() {
        let placeholder = format!("{PLACEHOLDER}{number}");
        let growth = text
            .matches(&placeholder)
            .count()
            .saturating_mul(literal.len());
        searched += text.len();
        if growth > LARGEST || searched > LARGEST {
            return Err(NormalizeError::TooLarge);
        }
        text = text.replace(&placeholder, literal);
    }
    Ok(text)
}

/// Gives the same result for code that contains no placeholder itself.
///
/// The first replacement that matches a placeholder is that of its first digit: literal 1 comes before 10 to 19, and
/// replaces theirs too.
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

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
        }
    }
}
