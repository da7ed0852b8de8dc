//! The metadata of a file: keys and their values, with errors that name the keys.

use std::collections::BTreeMap;

/// A value of the metadata.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Value {
    Unsigned(u64),
    Signed(i64),
    /// A number of 32 bits is here the decimal number that it was written as: `1e-5` and not
    /// `9.999999747378752e-6`.
    Number(f64),
    Bool(bool),
    Text(String),
    List(Vec<Self>),
}

impl Value {
    /// Whether it switches nothing on: false, 0, or an empty text or list.
    pub(super) fn is_off(&self) -> bool {
        match self {
            Self::Unsigned(number) => *number == 0,
            Self::Signed(number) => *number == 0,
            Self::Number(number) => *number == 0.0,
            Self::Bool(is_on) => !is_on,
            Self::Text(text) => text.is_empty(),
            Self::List(items) => items.iter().all(Self::is_off),
        }
    }

    fn whole(&self) -> Option<u64> {
        match self {
            Self::Unsigned(number) => Some(*number),
            Self::Signed(number) => u64::try_from(*number).ok(),
            _ => None,
        }
    }

    /// For messages.
    pub(super) fn shown(&self) -> String {
        const LONGEST: usize = 60;
        match self {
            Self::Unsigned(number) => number.to_string(),
            Self::Signed(number) => number.to_string(),
            Self::Number(number) => number.to_string(),
            Self::Bool(is_on) => is_on.to_string(),
            Self::Text(text) => text.chars().take(LONGEST).collect(),
            Self::List(items) => format!("a list of {}", items.len()),
        }
    }
}

/// All keys and values.
#[derive(Debug, Default)]
pub(super) struct Metadata(pub(super) BTreeMap<String, Value>);

impl Metadata {
    /// A text, if the key is there.
    pub(super) fn text(&self, key: &str) -> Result<Option<&str>, String> {
        self.read(key, "a text", |value| match value {
            Value::Text(text) => Some(text.as_str()),
            _ => None,
        })
    }

    /// A whole number, if the key is there. A list with a number for each layer is one number if all are
    /// the same.
    pub(super) fn count(&self, key: &str) -> Result<Option<usize>, String> {
        let expected = "a whole number that is the same for all layers";
        self.read(key, expected, |value| {
            let number = match value {
                Value::List(items) => {
                    let first = items.first()?;
                    items
                        .iter()
                        .all(|item| item == first)
                        .then(|| first.whole())?
                }
                value => value.whole(),
            };
            usize::try_from(number?).ok()
        })
    }

    /// A finite number, if the key is there.
    pub(super) fn number(&self, key: &str) -> Result<Option<f64>, String> {
        self.read(key, "a number", |value| match value {
            Value::Number(number) => Some(*number).filter(|number| number.is_finite()),
            value => value.whole().map(|number| number as f64),
        })
    }

    /// Whether something is on, if the key is there.
    pub(super) fn switch(&self, key: &str) -> Result<Option<bool>, String> {
        self.read(key, "`true` or `false`", |value| match value {
            Value::Bool(is_on) => Some(*is_on),
            _ => None,
        })
    }

    /// The number of a token, if the key is there.
    pub(super) fn token(&self, key: &str) -> Result<Option<u32>, String> {
        self.read(key, "the number of a token", |value| {
            u32::try_from(value.whole()?).ok()
        })
    }

    /// A list of texts, if the key is there.
    pub(super) fn texts(&self, key: &str) -> Result<Option<Vec<&str>>, String> {
        self.read(key, "a list of texts", |value| match value {
            Value::List(items) => items
                .iter()
                .map(|item| match item {
                    Value::Text(text) => Some(text.as_str()),
                    _ => None,
                })
                .collect(),
            _ => None,
        })
    }

    /// A list of whole numbers, if the key is there.
    pub(super) fn wholes(&self, key: &str) -> Result<Option<Vec<u64>>, String> {
        self.read(key, "a list of whole numbers", |value| match value {
            Value::List(items) => items.iter().map(Value::whole).collect(),
            _ => None,
        })
    }

    fn read<'a, T>(
        &'a self,
        key: &str,
        expected: &str,
        convert: impl FnOnce(&'a Value) -> Option<T>,
    ) -> Result<Option<T>, String> {
        let Some(value) = self.0.get(key) else {
            return Ok(None);
        };
        let converted = convert(value);
        let problem = || format!("`{key}` is `{}`, expected {expected}", value.shown());
        converted.map(Some).ok_or_else(problem)
    }
}

/// The value of a key, or an error that says that it is missing.
pub(super) fn needed<T>(value: Option<T>, key: &str) -> Result<T, String> {
    value.ok_or_else(|| format!("`{key}` is missing"))
}
