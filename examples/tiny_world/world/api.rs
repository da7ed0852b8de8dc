//! The functions that the world is made of.

use std::sync::LazyLock;

use serde::Deserialize;

/// All functions, from `universe.toml`.
pub(super) static UNIVERSE: LazyLock<Vec<Api>> = LazyLock::new(|| {
    #[derive(Deserialize)]
    struct File {
        api: Vec<Api>,
    }
    let file: File = toml::from_str(include_str!("universe.toml")).expect("a file of this folder");
    file.api
});

/// A function of Python's standard library, and calls of it with known results.
#[derive(Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Api {
    /// Where it is: `math.comb`.
    pub(super) path: String,
    pub(super) parameters: Vec<String>,
    /// What a call returns, in words, with `{0}` for the first parameter.
    pub(super) says: String,
    pub(super) result: Gives,
    /// Whether swapping its two arguments leaves the result unchanged.
    #[serde(default)]
    pub(super) symmetric: bool,
    pub(super) default: Option<DefaultValue>,
    /// Whether it is held out for the test sets: no note of the training data is about it.
    #[serde(default)]
    pub(super) held_out: bool,
    pub(super) calls: Vec<Call>,
}

/// The kind of value that a call returns, which decides what programs can do with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Gives {
    Number,
    Text,
    List,
    Flag,
}

/// An optional keyword argument.
#[derive(Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct DefaultValue {
    pub(super) keyword: String,
    /// The default value, as Python.
    pub(super) old: String,
    /// The defaults that an update may change it to.
    pub(super) new: Vec<String>,
}

/// Arguments and a result, as Python.
#[derive(Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Call {
    pub(super) arguments: Vec<String>,
    pub(super) result: String,
}

impl Api {
    /// `math` of `math.comb`.
    pub(super) fn module(&self) -> &str {
        self.path.rsplit_once('.').map_or("", |(module, _)| module)
    }

    /// `comb` of `math.comb`.
    pub(super) fn name(&self) -> &str {
        self.path.rsplit_once('.').map_or("", |(_, name)| name)
    }

    /// What a call with these arguments returns, in words.
    pub(super) fn in_words(&self, arguments: &[&str]) -> String {
        let mut words = self.says.clone();
        for (position, argument) in arguments.iter().enumerate() {
            words = words.replace(&format!("{{{position}}}"), argument);
        }
        words
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_function_is_whole() {
        for api in UNIVERSE.iter() {
            let count = api.parameters.len();
            assert!((1..=2).contains(&count), "{}", api.path);
            assert_eq!(api.calls.len(), 4, "{}", api.path);
            for call in &api.calls {
                assert_eq!(call.arguments.len(), count, "{}", api.path);
            }
            for position in 0..count {
                assert!(
                    api.says.contains(&format!("{{{position}}}")),
                    "{}",
                    api.path
                );
            }
            assert!(!api.module().is_empty() && !api.name().is_empty());
            assert!(!api.symmetric || count == 2, "{}", api.path);
        }
    }

    #[test]
    fn a_call_is_said_in_words() {
        let api = UNIVERSE.iter().find(|api| api.path == "math.comb").unwrap();
        assert_eq!(
            api.in_words(&["a", "b"]),
            "the number of ways to choose b of a"
        );
    }
}
