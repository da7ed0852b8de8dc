//! Values of `config.json`, read by key.

use serde_json::{Map, Value};

/// The object that `config.json` holds, with errors that name the keys.
pub(super) struct Keys<'a>(pub(super) &'a Map<String, Value>);

impl Keys<'_> {
    /// A text.
    pub(super) fn text(&self, key: &str) -> Result<&str, String> {
        self.0
            .get(key)
            .and_then(Value::as_str)
            .ok_or_else(|| format!("`{key}` is not a text"))
    }

    /// A whole number.
    pub(super) fn count(&self, key: &str) -> Result<usize, String> {
        let value = self
            .0
            .get(key)
            .ok_or_else(|| format!("`{key}` is missing"))?;
        value
            .as_u64()
            .and_then(|number| usize::try_from(number).ok())
            .ok_or_else(|| format!("`{key}` is `{value}`, expected a whole number"))
    }

    /// A whole number, or `default` if the key is missing or null.
    pub(super) fn count_or(&self, key: &str, default: usize) -> Result<usize, String> {
        if self.is_missing(key) {
            Ok(default)
        } else {
            self.count(key)
        }
    }

    /// A number, or `default` if the key is missing or null.
    pub(super) fn number_or(&self, key: &str, default: f64) -> Result<f64, String> {
        if self.is_missing(key) {
            return Ok(default);
        }
        let value = &self.0[key];
        value
            .as_f64()
            .ok_or_else(|| format!("`{key}` is `{value}`, expected a number"))
    }

    /// Whether a key is true; false if it is missing or null.
    pub(super) fn is_on(&self, key: &str) -> Result<bool, String> {
        if self.is_missing(key) {
            return Ok(false);
        }
        let value = &self.0[key];
        value
            .as_bool()
            .ok_or_else(|| format!("`{key}` is `{value}`, expected `true` or `false`"))
    }

    fn is_missing(&self, key: &str) -> bool {
        self.0.get(key).is_none_or(Value::is_null)
    }
}

/// One token, a list of them, or none.
pub(in crate::model) fn token_ids(value: Option<&Value>) -> Result<Vec<u32>, String> {
    let one = |value: &Value| {
        value
            .as_u64()
            .and_then(|id| u32::try_from(id).ok())
            .ok_or_else(|| format!("`{value}` is not the number of a token"))
    };
    match value {
        None | Some(Value::Null) => Ok(Vec::new()),
        Some(Value::Array(items)) => items.iter().map(one).collect(),
        Some(item) => Ok(vec![one(item)?]),
    }
}
