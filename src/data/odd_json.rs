//! JSON as Python writes it: `NaN`, `Infinity`, and halves of surrogate pairs.
//!
//! `json.dumps` writes them and `json.loads` reads them, although JSON has none of them. A text that is JSON is
//! never changed here.

#![expect(
    clippy::string_slice,
    reason = "texts are cut next to characters of JSON's syntax, which are ASCII"
)]

use serde::de::DeserializeOwned;

/// What half of a surrogate pair becomes: the character for what has no meaning.
const REPLACEMENT: &str = "\\ufffd";

/// How Python writes numbers that are not finite.
const NON_FINITE: [&str; 3] = ["NaN", "Infinity", "-Infinity"];

/// The value of a text that Python may have written. A number that is not finite is read as null, and
/// half of a surrogate pair as U+FFFD.
pub fn from_python_json<T: DeserializeOwned>(text: &str) -> Result<T, serde_json::Error> {
    serde_json::from_str(text).or_else(|error| {
        let numbers = without_non_finite(text);
        let odd = numbers.as_deref().unwrap_or(text);
        let halves = without_lone_surrogates(odd);
        match halves.or(numbers) {
            Some(text) => serde_json::from_str(&text),
            None => Err(error),
        }
    })
}

/// The text with null in place of `NaN`, `Infinity` and `-Infinity`; nothing if it has none of them.
pub(super) fn without_non_finite(text: &str) -> Option<String> {
    let mut changed = String::with_capacity(text.len());
    let mut found = false;
    for token in tokens(text) {
        let is_odd = NON_FINITE.contains(&token);
        changed.push_str(if is_odd { "null" } else { token });
        found |= is_odd;
    }
    found.then_some(changed)
}

/// The first number that is not finite, and its column, counted in bytes from 1.
pub(super) fn first_non_finite(text: &str) -> Option<(usize, &str)> {
    let mut column = 1;
    for token in tokens(text) {
        if NON_FINITE.contains(&token) {
            return Some((column, token));
        }
        column += token.len();
    }
    None
}

/// The strings, words and other characters of a text, which together are the text.
fn tokens(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let first = rest.chars().next()?;
        let length = if first == '"' {
            string(rest).len()
        } else if first.is_ascii_alphanumeric() || first == '-' {
            let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && !"+-._".contains(c));
            end.unwrap_or(rest.len())
        } else {
            first.len_utf8()
        };
        let (token, after) = rest.split_at(length);
        rest = after;
        Some(token)
    })
}

/// The string at the beginning of a text, with its quotes; all of the text if the string has no end.
fn string(text: &str) -> &str {
    let mut is_escaped = false;
    for (place, c) in text.char_indices().skip(1) {
        match c {
            _ if is_escaped => is_escaped = false,
            '\\' => is_escaped = true,
            '"' => return &text[..=place],
            _ => {}
        }
    }
    text
}

/// The text with U+FFFD in place of each half of a surrogate pair; nothing if it has none.
fn without_lone_surrogates(text: &str) -> Option<String> {
    let mut changed = String::with_capacity(text.len());
    let mut found = false;
    let mut rest = text;
    while let Some(place) = rest.find('\\') {
        changed.push_str(&rest[..place]);
        rest = &rest[place..];
        let taken = match (escaped(rest), escaped(rest.get(6..).unwrap_or_default())) {
            (Some(0xd800..=0xdbff), Some(0xdc00..=0xdfff)) => 12,
            (Some(0xd800..=0xdfff), _) => {
                changed.push_str(REPLACEMENT);
                found = true;
                rest = &rest[6..];
                continue;
            }
            (Some(_), _) => 6,
            // An escape of one character, which may be a backslash.
            (None, _) => 1 + rest[1..].chars().next().map_or(0, char::len_utf8),
        };
        changed.push_str(&rest[..taken]);
        rest = &rest[taken..];
    }
    changed.push_str(rest);
    found.then_some(changed)
}

/// The number of an escape such as `\ud83d` at the beginning of a text.
fn escaped(text: &str) -> Option<u32> {
    let digits = text.strip_prefix("\\u")?.get(..4)?;
    let is_hexadecimal = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    u32::from_str_radix(digits, 16)
        .ok()
        .filter(|_| is_hexadecimal)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn value(text: &str) -> Value {
        from_python_json(text).unwrap()
    }

    #[test]
    fn what_python_writes_is_read() {
        // Oracle: CPython 3.11 `json.loads` reads each of these, and `json.dumps` writes them.
        for (text, expected) in [
            (
                r#"{"a": NaN, "b": [Infinity, -Infinity, 1]}"#,
                json!({"a": null, "b": [null, null, 1]}),
            ),
            (r#"["\ud83d"]"#, json!(["\u{fffd}"])),
            (
                r#"["\udc00x\ud83d\ude00\ud83d"]"#,
                json!(["\u{fffd}x\u{1f600}\u{fffd}"]),
            ),
            (r#"["\ud83d\ud83d\ude00"]"#, json!(["\u{fffd}\u{1f600}"])),
            (
                r#"{"NaN": NaN, "é": "\ud800"}"#,
                json!({"NaN": null, "é": "\u{fffd}"}),
            ),
        ] {
            assert_eq!(value(text), expected, "{text}");
        }
    }

    #[test]
    fn texts_keep_what_only_looks_odd() {
        // Oracle: CPython 3.11 `json.loads`.
        for (text, expected) in [
            (
                r#"["NaN", "a\" NaN", "\\", NaN]"#,
                json!(["NaN", "a\" NaN", "\\", null]),
            ),
            (r#"["\\ud800", "\ud800"]"#, json!(["\\ud800", "\u{fffd}"])),
            (r#"["\\\ud800", NaN]"#, json!(["\\\u{fffd}", null])),
        ] {
            assert_eq!(value(text), expected, "{text}");
        }
    }

    #[test]
    fn other_mistakes_stay_mistakes() {
        for text in [
            "",
            "nan",
            "[NaNs]",
            "{\"a\": \"\\ud8",
            "[-NaN]",
            "[\"\\u+123\"]",
            "\"\\",
        ] {
            assert!(from_python_json::<Value>(text).is_err(), "{text}");
        }
    }
}
