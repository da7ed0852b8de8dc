//! The keys of `config.json` that this program knows: what they change is computed, or they change nothing.
//!
//! A key that is in neither list is refused, because a result that is wrong in silence costs more than a
//! key that must be removed by hand.

use serde_json::{Map, Value};

/// Keys that decide what a decoder computes: its configuration and its family read them.
const READ: &[&str] = &[
    "architectures",
    "attention_bias",
    "bos_token_id",
    "dtype",
    "eos_token_id",
    "head_dim",
    "hidden_act",
    "hidden_size",
    "intermediate_size",
    "layer_types",
    "max_position_embeddings",
    "mlp_bias",
    "model_type",
    "num_attention_heads",
    "num_hidden_layers",
    "num_key_value_heads",
    "original_max_position_embeddings",
    "partial_rotary_factor",
    "rms_norm_eps",
    "rope_parameters",
    "rope_scaling",
    "rope_theta",
    "tie_word_embeddings",
    "torch_dtype",
    "use_sliding_window",
    "vocab_size",
];

/// Keys that change nothing here, and why.
const HARMLESS: &[(&str, &[&str])] = &[
    (
        "the spec or an argument decides how tokens are sampled",
        &[
            "bad_words_ids",
            "diversity_penalty",
            "do_sample",
            "early_stopping",
            "exponential_decay_length_penalty",
            "length_penalty",
            "max_length",
            "max_new_tokens",
            "min_length",
            "no_repeat_ngram_size",
            "num_beam_groups",
            "num_beams",
            "num_return_sequences",
            "output_scores",
            "repetition_penalty",
            "return_dict_in_generate",
            "temperature",
            "top_k",
            "top_p",
            "typical_p",
        ],
    ),
    (
        "rows are padded without a token, and nothing else uses the token",
        &[
            "pad_token_id",
            "sep_token_id",
            "unk_token_id",
            "decoder_start_token_id",
        ],
    ),
    (
        "`use_sliding_window` switches the window on",
        &["max_window_layers", "sliding_window"],
    ),
    (
        "the weights come from the file, not from an initialisation",
        &["initializer_range"],
    ),
    (
        "it describes how another program computes the same values",
        &[
            "_attn_implementation",
            "_attn_implementation_autoset",
            "_attn_implementation_internal",
            "_experts_implementation",
            "_flash_attn_2_enabled",
            "attn_implementation",
            "chunk_size_feed_forward",
            "is_decoder",
            "output_attentions",
            "output_hidden_states",
            "pretraining_tp",
            "return_dict",
            "torchscript",
            "transformers.js_config",
            "use_bfloat16",
            "use_cache",
            "use_flash_attention",
            "use_flash_attn",
            "use_return_dict",
        ],
    ),
    (
        "it describes where the checkpoint comes from",
        &[
            "_commit_hash",
            "_from_model_config",
            "_name_or_path",
            "base_model",
            "base_model_name_or_path",
            "finetuning_task",
            "max_sequence_length",
            "model_max_length",
            "model_name",
            "name_or_path",
            "task_specific_params",
            "tokenizer_class",
            "transformers_version",
            "unsloth_fixed",
            "unsloth_version",
        ],
    ),
    (
        "it belongs to a classifier",
        &["id2label", "label2id", "num_labels", "problem_type"],
    ),
    (
        "transformers does not read it for these families",
        &["auto_map", "dual_chunk_attention_config"],
    ),
    (
        "it drops elements in training only; `dropped` warns about it",
        DROPOUTS,
    ),
];

/// Rates of dropout within the decoder, which this program does not have.
const DROPOUTS: &[&str] = &[
    "attention_dropout",
    "attn_pdrop",
    "embd_pdrop",
    "hidden_dropout",
    "hidden_dropout_prob",
    "resid_pdrop",
];

/// Keys that say that the weights are quantised.
const QUANTISED: [&str; 3] = ["quantization_config", "compression_config", "quantization"];

/// Refuses a key that may change what the decoder computes, in a way that this program does not know.
pub(super) fn check(config: &Map<String, Value>) -> Result<(), String> {
    let is_set = |key: &&&str| config.get(**key).is_some_and(|value| !is_off(value));
    if let Some(key) = QUANTISED.iter().find(is_set) {
        let method = config[*key].get("quant_method").and_then(Value::as_str);
        let method = method
            .map(|name| format!(" (`{name}`)"))
            .unwrap_or_default();
        return Err(format!(
            "`{key}` is not supported{method}, expected weights that are not quantised"
        ));
    }
    let unknown = config.iter().find(|(key, value)| {
        let is_known = READ.contains(&key.as_str())
            || HARMLESS
                .iter()
                .any(|(_, keys)| keys.contains(&key.as_str()));
        !is_known && !is_off(value)
    });
    match unknown {
        None => Ok(()),
        Some((key, value)) => Err(format!(
            "`{key}` is `{value}`, and this program does not know what it changes; remove the key if \
             it changes nothing"
        )),
    }
}

/// Refuses a checkpoint that is no language model: a classifier, a reward model, an encoder.
///
/// As in transformers, the name says nothing about the family; `model_type` does.
pub(super) fn check_architectures(config: &Map<String, Value>) -> Result<(), String> {
    let names = config.get("architectures").and_then(Value::as_array);
    let mut names = names.into_iter().flatten().filter_map(Value::as_str);
    match names.find(|name| name.contains("For") && !name.ends_with("ForCausalLM")) {
        None => Ok(()),
        Some(name) => Err(format!(
            "`architectures` has `{name}`, expected a name that ends in `ForCausalLM`"
        )),
    }
}

/// Refuses layers of other types than full attention, and a list that is not one type a layer.
pub(super) fn check_layer_types(config: &Map<String, Value>, layers: usize) -> Result<(), String> {
    let types = match config.get("layer_types") {
        None | Some(Value::Null) => return Ok(()),
        Some(types) => types.as_array().ok_or("`layer_types` is not a list")?,
    };
    if let Some(other) = types.iter().find(|one| *one != "full_attention") {
        return Err(format!(
            "`layer_types` has `{other}`, expected `full_attention` alone"
        ));
    }
    if types.len() != layers {
        return Err(format!(
            "`layer_types` has `{}` entries, expected `{layers}`, one for each layer",
            types.len()
        ));
    }
    Ok(())
}

/// The rates of dropout that training ignores.
pub(super) fn dropped(config: &Map<String, Value>) -> Vec<&'static str> {
    let is_on = |key: &&&str| {
        let rate = config.get(**key).and_then(Value::as_f64);
        rate.is_some_and(|rate| rate > 0.0)
    };
    DROPOUTS.iter().filter(is_on).copied().collect()
}

/// Whether a value switches nothing on: null, false, or an empty text, list or object.
pub(in crate::model) fn is_off(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::Bool(true) | Value::Number(_) => false,
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(map) => map.is_empty(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn with(key: &str, value: impl Into<Value>) -> Result<(), String> {
        check(json!({ key: value.into() }).as_object().unwrap())
    }

    #[test]
    fn a_key_that_may_change_the_result_is_refused_by_name() {
        // Granite's, Gemma's and Cohere's keys in a `config.json` that says `llama`, and a mixture of
        // experts: transformers reads none of them for a Llama, other programs do.
        for (key, value) in [
            ("residual_multiplier", json!(0.22)),
            ("final_logit_softcapping", json!(30.0)),
            ("logit_scale", json!(0.0625)),
            ("num_experts", json!(8)),
            ("qk_layernorm", json!(true)),
            ("pruned_heads", json!({"0": [1]})),
            ("a_key_of_tomorrow", json!("on")),
        ] {
            let error = with(key, value.clone()).unwrap_err();
            assert!(
                error.starts_with(&format!("`{key}` is `{value}`, ")),
                "{error}"
            );
        }
    }

    #[test]
    fn a_key_that_is_off_or_known_passes() {
        for (key, value) in [
            ("a_key_of_tomorrow", json!(false)),
            ("quantization_config", Value::Null),
            ("pruned_heads", json!({})),
            ("use_mrope", json!(false)),
            ("transformers_version", json!("5.23.0")),
            ("attention_dropout", json!(0.1)),
        ] {
            assert_eq!(with(key, value), Ok(()), "{key}");
        }
        let config = json!({"attention_dropout": 0.1, "embd_pdrop": 0.0});
        assert_eq!(dropped(config.as_object().unwrap()), ["attention_dropout"]);
    }

    #[test]
    fn quantised_weights_are_named_with_their_method() {
        insta::assert_snapshot!(
            with("quantization_config", json!({"quant_method": "gptq", "bits": 4})).unwrap_err(),
            @"`quantization_config` is not supported (`gptq`), expected weights that are not quantised"
        );
    }
}
