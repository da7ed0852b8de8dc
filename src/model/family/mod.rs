//! Model families: what the checkpoints of a family have in common and `config.json` does not say.
//!
//! A new family is a file here and a line in [`FAMILIES`]. All that distinguishes it from the others is
//! in its [`Features`]; a feature that the decoder does not have yet is implemented first.

mod llama;
mod qwen2;
mod qwen3;

use serde_json::{Map, Value};

use crate::settings::one_of;

/// What distinguishes a family of decoders from the others.
#[derive(Debug)]
pub(super) struct Family {
    /// The `model_type` of `config.json`.
    pub(super) model_type: &'static str,
    /// The class of transformers that loads the checkpoint.
    pub(super) architecture: &'static str,
    /// The features of the decoder of a given `config.json`.
    pub(super) features: fn(&Map<String, Value>) -> Features,
    /// The width of a head where `config.json` names none; if this is none too, the heads share the
    /// hidden size.
    pub(super) head_dim: Option<usize>,
    /// Features that a `config.json` of the family can switch on and the decoder does not have.
    pub(super) missing: &'static [Missing],
}

/// The features of a decoder that differ between families.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Features {
    /// The projections of the attention that have a bias.
    pub attention_bias: AttentionBias,
    /// Whether each head of queries and keys has a norm, before the rotation.
    pub qk_norm: bool,
}

/// The projections of the attention that have a bias.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AttentionBias {
    /// None of them.
    #[default]
    None,
    /// Queries, keys and values.
    Inputs,
    /// All four.
    All,
}

/// A feature that the decoder does not have.
#[derive(Clone, Copy, Debug)]
pub(super) struct Missing {
    /// The key of `config.json` that switches it on.
    pub(super) key: &'static str,
    /// What would have to be implemented.
    pub(super) feature: &'static str,
}

/// Every family.
pub(super) const FAMILIES: &[&Family] = &[&llama::LLAMA, &qwen2::QWEN2, &qwen3::QWEN3];

/// The family of models that start from random weights.
pub(super) const SCRATCH: &Family = &qwen2::QWEN2;

impl Family {
    /// The family of a `model_type`, or an error that names the known ones.
    pub(super) fn find(model_type: &str) -> Result<&'static Self, String> {
        let mut families = FAMILIES.iter().copied();
        let found = families.find(|family| family.model_type == model_type);
        found.ok_or_else(|| {
            let known: Vec<&str> = FAMILIES.iter().map(|family| family.model_type).collect();
            let expected = one_of(&known);
            format!("unknown `model_type` `{model_type}`, expected {expected}")
        })
    }

    /// The features of the decoder of a `config.json`, or an error that names what is missing for it.
    pub(super) fn features(&self, config: &Map<String, Value>) -> Result<Features, String> {
        match self.missing.iter().find(|one| is_on(config, one.key)) {
            Some(Missing { key, feature }) => {
                Err(format!("`{key}` is on, but {feature} is not implemented"))
            }
            None => Ok((self.features)(config)),
        }
    }
}

/// Whether a key switches something on: it is there, and neither null, nor false, nor 0.
fn is_on(config: &Map<String, Value>, key: &str) -> bool {
    match config.get(key) {
        None | Some(Value::Null) => false,
        Some(Value::Bool(is_on)) => *is_on,
        Some(Value::Number(number)) => number.as_f64() != Some(0.0),
        Some(_) => true,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_feature_that_is_missing_is_refused_by_name() {
        for (family, key) in [
            ("llama", "mlp_bias"),
            ("qwen2", "use_sliding_window"),
            ("qwen3", "use_sliding_window"),
            ("llama", "use_sliding_window"),
            ("qwen2", "mlp_bias"),
        ] {
            let features = |value: bool| {
                let config = json!({key: value});
                Family::find(family)
                    .unwrap()
                    .features(config.as_object().unwrap())
            };

            assert!(features(false).is_ok());
            let error = features(true).unwrap_err();
            assert!(
                error.starts_with(&format!("`{key}` is on, but ")),
                "{error}"
            );
            assert!(error.ends_with(" is not implemented"), "{error}");
        }
    }

    #[test]
    fn a_number_switches_a_feature_on_and_null_does_not() {
        // Mistral's `sliding_window` is a width in tokens in version 0.1, and null in 0.2.
        let on = |value: Value| {
            let config = json!({ "sliding_window": value });
            is_on(config.as_object().unwrap(), "sliding_window")
        };

        assert!(on(json!(4096)) && on(json!(true)));
        assert!(!on(json!(0)) && !on(json!(false)) && !on(json!(null)));
    }
}
