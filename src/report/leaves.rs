//! The values in a JSON object, each by its path.

use serde_json::Value as Json;

/// The values in an object, by their path, as `train.lr.peak`; lists and texts are values, and what is empty is
/// none.
pub(super) fn leaves(json: &Json) -> Vec<(String, String)> {
    let mut found = Vec::new();
    collect(json, "", &mut found);
    found
}

fn collect(json: &Json, path: &str, into: &mut Vec<(String, String)>) {
    match json {
        Json::Object(members) => {
            for (name, value) in members {
                let dot = if path.is_empty() { "" } else { "." };
                collect(value, &[path, dot, name].concat(), into);
            }
        }
        Json::Null => {}
        Json::String(text) => into.push((path.to_owned(), text.clone())),
        value => into.push((path.to_owned(), value.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn values_have_their_paths() {
        let json = json!({"a": {"b": 1, "c": [1, "x"]}, "d": "text", "e": null, "f": {}});
        let wanted = [("a.b", "1"), ("a.c", "[1,\"x\"]"), ("d", "text")];
        assert_eq!(
            leaves(&json),
            wanted.map(|(path, value)| (path.to_owned(), value.to_owned()))
        );
    }
}
