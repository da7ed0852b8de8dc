//! Which numbers of `config.json` make sense.
//!
//! The limits are far above every known model, and so low that no arithmetic of this program overflows: a
//! damaged or hostile file is an error here, before memory is asked for.

use super::DecoderConfig;

/// The largest width: of the residual stream, of the feed-forward layer, of all heads together.
const WIDEST: usize = 1 << 20;

/// The most layers.
const DEEPEST: usize = 10_000;

/// The largest vocabulary.
const LARGEST_VOCABULARY: usize = 1 << 24;

/// The most weights.
const HEAVIEST: u128 = 10_000_000_000_000;

/// The longest text, in tokens; `plan` multiplies it with widths.
const LONGEST: usize = 1 << 30;

pub(super) fn check(config: &DecoderConfig) -> Result<(), String> {
    let heads = config.num_attention_heads;
    let kv_heads = config.num_key_value_heads;
    for (key, value, most) in [
        ("hidden_size", config.hidden_size, WIDEST),
        ("intermediate_size", config.intermediate_size, WIDEST),
        ("num_hidden_layers", config.num_hidden_layers, DEEPEST),
        ("num_attention_heads", heads, WIDEST),
        ("num_key_value_heads", kv_heads, WIDEST),
        ("head_dim", config.head_dim, WIDEST),
        ("vocab_size", config.vocab_size, LARGEST_VOCABULARY),
        (
            "max_position_embeddings",
            config.max_position_embeddings,
            LONGEST,
        ),
    ] {
        if value == 0 || value > most {
            return Err(format!("`{key}` is `{value}`, expected `1` to `{most}`"));
        }
    }
    if !heads.is_multiple_of(kv_heads) {
        return Err(format!(
            "`num_attention_heads` is `{heads}`, expected a multiple of `num_key_value_heads`, \
             `{kv_heads}`"
        ));
    }
    if !config.head_dim.is_multiple_of(2) {
        return Err(format!(
            "the width of a head is `{}`, expected an even number",
            config.head_dim
        ));
    }
    if config.query_width() > WIDEST {
        return Err(format!(
            "`num_attention_heads` times `head_dim` is `{}`, expected at most `{WIDEST}`",
            config.query_width()
        ));
    }
    if !(0.0..1.0).contains(&config.rms_norm_eps) {
        return Err(format!(
            "`rms_norm_eps` is `{}`, expected `0` to `1`",
            config.rms_norm_eps
        ));
    }
    let weights = weights(config);
    if weights > HEAVIEST {
        return Err(format!(
            "the shape has `{weights}` weights, expected at most `{HEAVIEST}`"
        ));
    }
    Ok(())
}

/// The number of weights of matrices, without a list of them.
fn weights(config: &DecoderConfig) -> u128 {
    let product = |[from, to]: [usize; 2]| from as u128 * to as u128;
    let block: u128 = config
        .projections()
        .map(|(_, dims)| product(dims))
        .iter()
        .sum();
    let table = product([config.vocab_size, config.hidden_size]);
    block * config.num_hidden_layers as u128 + 2 * table
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use crate::model::DecoderConfig;

    fn read(changes: &[(&str, Value)]) -> Result<DecoderConfig, String> {
        let json = json!({
            "model_type": "qwen2", "hidden_size": 16, "intermediate_size": 24,
            "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2,
            "vocab_size": 23, "max_position_embeddings": 64,
        });
        let mut json = json.as_object().unwrap().clone();
        for (key, value) in changes {
            json.insert((*key).to_owned(), value.clone());
        }
        DecoderConfig::from_json(json)
    }

    #[test]
    fn no_number_of_a_file_panics_or_asks_for_memory() {
        let keys = [
            "hidden_size",
            "intermediate_size",
            "num_hidden_layers",
            "num_attention_heads",
            "num_key_value_heads",
            "head_dim",
            "vocab_size",
            "max_position_embeddings",
            "rms_norm_eps",
            "rope_theta",
        ];
        let numbers = [
            json!(0),
            json!(1_u64 << 40),
            json!(10_u64.pow(15)),
            json!(u64::MAX),
            json!(-1),
            json!(1e300),
            json!(0.5),
            json!("16"),
            json!([16]),
        ];
        for key in keys {
            for number in &numbers {
                if let Ok(config) = read(&[(key, number.clone())]) {
                    // What a plan computes of a shape.
                    assert!(config.parameter_count() < 1 << 60, "{key}: {number}");
                    assert!(config.kv_cache_numbers() < 1 << 40, "{key}: {number}");
                }
            }
        }
    }

    #[test]
    fn limits_are_named() {
        let error = |key: &str, value: Value| read(&[(key, value)]).unwrap_err();

        insta::assert_snapshot!(error("hidden_size", json!(1_u64 << 40)), @"`hidden_size` is `1099511627776`, expected `1` to `1048576`");
        insta::assert_snapshot!(error("num_hidden_layers", json!(1_000_000_000_000_u64)), @"`num_hidden_layers` is `1000000000000`, expected `1` to `10000`");
        insta::assert_snapshot!(error("max_position_embeddings", json!(1_000_000_000_000_000_u64)), @"`max_position_embeddings` is `1000000000000000`, expected `1` to `1073741824`");
        insta::assert_snapshot!(error("rope_theta", json!(0)), @"`rope_theta` is `0`, expected more than `1`");
        insta::assert_snapshot!(error("rms_norm_eps", json!(-1e-6)), @"`rms_norm_eps` is `-0.000001`, expected `0` to `1`");
        let wide = [
            ("hidden_size", json!(1 << 20)),
            ("intermediate_size", json!(1 << 20)),
            ("num_hidden_layers", json!(10_000)),
        ];
        insta::assert_snapshot!(read(&wide).unwrap_err(), @"the shape has `65970697714794496` weights, expected at most `10000000000000`");
        let stretched =
            json!({"type": "yarn", "factor": 1e30, "original_max_position_embeddings": 64});
        insta::assert_snapshot!(error("rope_scaling", stretched), @"`max_position_embeddings` is `18446744073709551615`, expected `1` to `1073741824`");
    }
}
