//! JSON as Python writes it: `NaN`, `Infinity`, and halves of surrogate pairs.
//!
//! `json.dumps` writes them and `json.loads` reads them, although JSON has none of them. A text that is JSON is
//! never changed here.

#![expect(
    clippy::string_slice,
    reason = "texts are cut next to characters of JSON's syntax, which are ASCII"
)]

use serde::de::{DeserializeOwned, IgnoredAny};

/// What half of a surrogate pair becomes: the character for what has no meaning.
const REPLACEMENT: &str = "\\ufffd";

/// How Python writes numbers that are not finite.
const NON_FINITE: [&str; 3] = ["NaN", "Infinity", "-Infinity"];

/// How deep a value may be nested to be read: `serde_json` refuses a text in which one is nested deeper than 127.
const DEEPEST: usize = 100;

/// The value of a text that Python may have written. A number that is not finite is read as null, and so is one that
/// Python reads as such (`1e400`), and a list or an object that is nested very deep. Half of a surrogate pair is read as
/// U+FFFD.
pub fn from_python_json<T: DeserializeOwned>(text: &str) -> Result<T, serde_json::Error> {
    let mut read = serde_json::from_str(text);
    let mut changed = None;
    for change in [
        without_non_finite,
        without_lone_surrogates,
        without_extremes,
    ] {
        if read.is_ok() {
            break;
        }
        if let Some(next) = change(changed.as_deref().unwrap_or(text)) {
            read = serde_json::from_str(&next);
            changed = Some(next);
        }
    }
    read
}

/// The value of a text of JSON, in which what `serde_json` cannot hold is null: a number beyond 64 bits of a float, and a
/// list or an object that is nested very deep. So a field that nothing reads spoils no other.
pub(super) fn from_extreme_json<T: DeserializeOwned>(text: &str) -> Result<T, serde_json::Error> {
    serde_json::from_str(text).or_else(|error| match without_extremes(text) {
        Some(text) => serde_json::from_str(&text),
        None => Err(error),
    })
}

/// The text with null in place of numbers that no float can hold, and of values that are nested deeper than [`DEEPEST`];
/// nothing if it has none of them.
fn without_extremes(text: &str) -> Option<String> {
    // Skipping checks all of the syntax, and needs no stack for what is nested.
    serde_json::from_str::<IgnoredAny>(text).ok()?;
    let mut changed = String::with_capacity(text.len());
    let (mut depth, mut found) = (0_usize, false);
    for token in tokens(text) {
        let is_opening = matches!(token, "[" | "{");
        let is_inside = depth > DEEPEST;
        if is_opening {
            depth += 1;
        } else if matches!(token, "]" | "}") {
            depth = depth.saturating_sub(1);
        }
        if is_inside {
            continue;
        }
        let is_extreme = (is_opening && depth > DEEPEST) || is_too_large(token);
        changed.push_str(if is_extreme { "null" } else { token });
        found |= is_extreme;
    }
    found.then_some(changed)
}

/// Whether this is a number that a float can only hold as infinity.
fn is_too_large(token: &str) -> bool {
    let digits = token.strip_prefix('-').unwrap_or(token);
    digits.starts_with(|c: char| c.is_ascii_digit())
        && token.parse::<f64>().is_ok_and(f64::is_infinite)
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
    fn what_no_value_can_hold_is_null_and_spoils_nothing_else() {
        // Oracle: CPython 3.11 `json.loads` reads `inf` and `-inf`.
        let text = r#"{"a": 1, "h": 1e400, "n": [-1e400, 1e-400, "1e400"]}"#;
        let expected = json!({"a": 1, "h": null, "n": [null, 0.0, "1e400"]});
        assert_eq!(value(text), expected);
        assert_eq!(from_extreme_json::<Value>(text).unwrap(), expected);

        let nested = |depth: usize, inner: &str| "[".repeat(depth) + inner + &"]".repeat(depth);
        let text = format!(r#"{{"x": {}, "a": [{{}}]}}"#, nested(300_000, ""));
        for read in [value(&text), from_extreme_json(&text).unwrap()] {
            assert_eq!(read["a"], json!([{}]));
            assert_eq!(read["x"].to_string(), nested(DEEPEST - 1, "null"));
        }

        assert!(from_extreme_json::<Value>("[1e400, NaN]").is_err());
        for broken in ["[1e400", "[1e400}", "1e400e", "[".repeat(200).as_str()] {
            assert!(from_python_json::<Value>(broken).is_err(), "{broken}");
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
