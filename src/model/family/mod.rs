//! Model families: what their checkpoints leave unsaid.

mod llama;
mod qwen2;

use serde_json::{Map, Value};

/// What distinguishes a family of decoders from another; all else is in its `config.json`.
#[derive(Debug)]
pub(super) struct Family {
    /// The `model_type` of `config.json`.
    pub(super) model_type: &'static str,
    /// The class that transformers loads the checkpoint with.
    pub(super) architecture: &'static str,
    /// Which projections of the attention carry a bias.
    pub(super) attention_bias: fn(&Map<String, Value>) -> AttentionBias,
    /// A feature that the configuration switches on and that is not implemented.
    pub(super) unsupported: fn(&Map<String, Value>) -> Option<String>,
}

/// Which projections of the attention carry a bias.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct AttentionBias {
    /// Those of queries, keys and values.
    pub(super) input: bool,
    /// That of the output.
    pub(super) output: bool,
}

/// Every family.
const FAMILIES: [&Family; 2] = [&llama::LLAMA, &qwen2::QWEN2];

/// The family that a scratch model belongs to.
pub(super) const SCRATCH: &Family = &qwen2::QWEN2;

/// The family of a `model_type`, or the names of those that there are.
pub(super) fn find(model_type: &str) -> Result<&'static Family, String> {
    FAMILIES
        .into_iter()
        .find(|family| family.model_type == model_type)
        .ok_or_else(|| {
            let known: Vec<String> = FAMILIES
                .iter()
                .map(|one| format!("`{}`", one.model_type))
                .collect();
            format!(
                "unknown `model_type` `{model_type}`, expected {}",
                known.join(" or ")
            )
        })
}

/// Whether a key is there and true.
pub(super) fn is_on(config: &Map<String, Value>, key: &str) -> bool {
    config.get(key).and_then(Value::as_bool).unwrap_or(false)
}
