//! The text of the parts of a JSON value.
//!
//! `HumanEval+` calls functions with integers of more than 64 bits, which `serde_json` would round
//! to floats. Its inputs are therefore cut out of the line as text, for Python to read.

/// The members of a JSON object as pairs of key and text of the value; nothing if it is no object.
///
/// `json` must be valid; what comes out for other texts is not defined, but nothing panics.
pub(super) fn members(json: &str) -> Option<Vec<(String, &str)>> {
    let inner = json.trim().strip_prefix('{')?.strip_suffix('}')?;
    split(inner)
        .into_iter()
        .map(|member| {
            let key = string_length(member)?;
            let name = serde_json::from_str(member.get(..key)?).ok()?;
            let value = member.get(key..)?.trim_start().strip_prefix(':')?;
            Some((name, value.trim()))
        })
        .collect()
}

/// The items of a JSON array as texts; nothing if it is no array. See [`members`].
pub(super) fn items(json: &str) -> Option<Vec<&str>> {
    Some(split(json.trim().strip_prefix('[')?.strip_suffix(']')?))
}

/// Cuts at the commas that are in no bracket and no string.
fn split(text: &str) -> Vec<&str> {
    let bytes = text.as_bytes();
    let mut parts = Vec::new();
    let (mut depth, mut start, mut position) = (0_usize, 0, 0);
    while let Some(byte) = bytes.get(position) {
        match byte {
            b'"' => {
                let rest = text.get(position..).and_then(string_length);
                position += rest.unwrap_or(1);
                continue;
            }
            b'[' | b'{' => depth += 1,
            b']' | b'}' => depth = depth.saturating_sub(1),
            b',' if depth == 0 => {
                parts.extend(text.get(start..position));
                start = position + 1;
            }
            _ => {}
        }
        position += 1;
    }
    parts.extend(text.get(start..));
    if parts.len() == 1 && text.trim().is_empty() {
        return Vec::new();
    }
    parts.into_iter().map(str::trim).collect()
}

/// The bytes of the JSON string at the start of `text`, with its quotes.
fn string_length(text: &str) -> Option<usize> {
    let mut escaped = false;
    for (position, byte) in text.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' if position > 0 => return Some(position + 1),
            _ if position == 0 && byte != b'"' => return None,
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;

    #[test]
    fn large_integers_keep_their_digits() {
        let text = r#"{"a": 1, "big": [[99999999999999999999999, "x,]\""], []]}"#;

        let members = members(text).unwrap();

        assert_eq!(members[1].0, "big");
        assert_eq!(
            items(members[1].1).unwrap(),
            [r#"[99999999999999999999999, "x,]\""]"#, "[]"]
        );
        assert_eq!(items(" [ ] ").unwrap(), Vec::<&str>::new());
        assert!(items("{}").is_none());
    }

    proptest! {
        #[test]
        fn parts_are_the_parts_that_serde_finds(
            strings in proptest::collection::vec(".*", 0..4),
            numbers in proptest::collection::vec(any::<i32>(), 0..4),
        ) {
            let value = serde_json::json!([strings, numbers, {"k": strings, "n": null}]);
            let text = value.to_string();

            let parts: Vec<Value> =
                items(&text).unwrap().iter().map(|part| serde_json::from_str(part).unwrap()).collect();

            prop_assert_eq!(Value::Array(parts), value);
        }

        #[test]
        fn no_text_makes_it_panic(text in ".*") {
            let _ = (items(&text), members(&text), items(&format!("[{text}]")));
        }
    }
}
