//! How wave lengths change for longer texts: from the metadata and `rope_freqs` to `rope_scaling`.

use std::f64::consts::TAU;

use serde_json::{Value as Json, json};

use super::header::{FACTORS, Header};

/// The lengths of texts that Llama 3.1 and its descendants have as that of their first training.
const ORIGINALS: [f64; 5] = [8_192.0, 4_096.0, 2_048.0, 16_384.0, 32_768.0];

/// The `rope_scaling` of the model, if waves change.
pub(super) fn scaling(
    header: &Header,
    architecture: &str,
    head_dim: usize,
) -> Result<Option<Json>, String> {
    let metadata = &header.metadata;
    let key = |rest: &str| format!("{architecture}.rope.{rest}");
    let number = |rest: &str| metadata.number(&key(rest));
    let kind = metadata.text(&key("scaling.type"))?;
    let factor = match number("scaling.factor")? {
        None => number("scale_linear")?,
        found => found,
    };
    let factor = factor.filter(|factor| (factor - 1.0).abs() > f64::EPSILON && *factor != 0.0);
    let by_keys = match (kind.unwrap_or("linear"), factor) {
        ("none", _) | ("linear" | "yarn", None) => None,
        ("linear", Some(factor)) => Some(json!({"rope_type": "linear", "factor": factor})),
        ("yarn", Some(factor)) => Some(yarn(header, architecture, factor)?),
        (other, _) => {
            return Err(format!(
                "`{}` is `{other}`, expected `none`, `linear` or `yarn`",
                key("scaling.type")
            ));
        }
    };
    let theta = number("freq_base")?.unwrap_or(10_000.0);
    let by_tensor = match header.factors.as_deref() {
        None => None,
        Some(factors) => llama3(factors, theta, head_dim)?,
    };
    if by_keys.is_some() && by_tensor.is_some() {
        return Err(format!(
            "`{FACTORS}` and `{}` both change wave lengths, expected one of them",
            key("scaling.type")
        ));
    }
    Ok(by_keys.or(by_tensor))
}

fn yarn(header: &Header, architecture: &str, factor: f64) -> Result<Json, String> {
    let metadata = &header.metadata;
    let key = |rest: &str| format!("{architecture}.rope.scaling.{rest}");
    let number = |rest: &str| metadata.number(&key(rest));
    if let Some(share) = number("yarn_ext_factor")?
        && (share - 1.0).abs() > f64::EPSILON
        && share >= 0.0
    {
        return Err(format!(
            "`{}` is `{share}`, expected `1`",
            key("yarn_ext_factor")
        ));
    }
    let mut scaling = json!({"rope_type": "yarn", "factor": factor});
    if let Some(original) = metadata.count(&key("original_context_length"))? {
        scaling["original_max_position_embeddings"] = original.into();
    }
    for (rest, name) in [
        ("yarn_beta_fast", "beta_fast"),
        ("yarn_beta_slow", "beta_slow"),
    ] {
        if let Some(turns) = number(rest)? {
            scaling[name] = turns.into();
        }
    }
    let sharpness = match number("yarn_attn_factor")? {
        None => number("attn_factor")?,
        found => found,
    };
    if let Some(sharpness) = sharpness
        && (sharpness - 1.0).abs() > f64::EPSILON
    {
        // llama.cpp multiplies it with what follows from the factor; transformers takes the product.
        scaling["attention_factor"] = (sharpness * (1.0 + 0.1 * factor.ln())).into();
    }
    Ok(scaling)
}

/// The scaling of Llama 3.1 that has these factors: files have them in place of its settings.
fn llama3(factors: &[f32], theta: f64, head_dim: usize) -> Result<Option<Json>, String> {
    /// Numbers of 32 bits, from a formula that was computed with 32 bits.
    const TOLERANCE: f64 = 1e-4;
    if factors.iter().all(|factor| (factor - 1.0).abs() < 1e-6) {
        return Ok(None);
    }
    if factors.len() != head_dim / 2 {
        return Err(format!(
            "`{FACTORS}` has {} numbers, expected {}, one for each pair of a head",
            factors.len(),
            head_dim / 2
        ));
    }
    let factor = f64::from(factors.iter().copied().fold(0.0, f32::max));
    let (low, high) = (1.0, 4.0);
    let fits = |original: f64| {
        let mut pairs = factors.iter().enumerate();
        pairs.all(|(pair, found)| {
            let frequency = theta.powf(-2.0 * pair as f64 / head_dim as f64);
            let turns = original * frequency / TAU;
            let kept = ((turns - low) / (high - low)).clamp(0.0, 1.0);
            let expected = 1.0 / ((1.0 - kept) / factor + kept);
            (f64::from(*found) / expected - 1.0).abs() < TOLERANCE
        })
    };
    let original = ORIGINALS.into_iter().find(|original| fits(*original));
    let original = original.ok_or_else(|| {
        format!("`{FACTORS}` is not what the scaling of Llama 3.1 gives, and no other is supported")
    })?;
    Ok(Some(json!({
        "rope_type": "llama3", "factor": factor, "low_freq_factor": low, "high_freq_factor": high,
        "original_max_position_embeddings": original,
    })))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_settings_of_llama3_are_found_from_its_factors() {
        // Oracle: `generate_extra_tensors` of llama.cpp's `convert_hf_to_gguf.py` for Llama 3.2 (factor
        // 32, 8192 tokens, base 500000, heads of 64), written again here as it is there.
        let (theta, head_dim) = (500_000.0_f64, 64);
        let factors: Vec<f32> = (0..head_dim / 2)
            .map(|pair| {
                let length = TAU * theta.powf(2.0 * f64::from(pair) / f64::from(head_dim));
                let found = if length < 8192.0 / 4.0 {
                    1.0
                } else if length > 8192.0 {
                    32.0
                } else {
                    let smooth = (8192.0 / length - 1.0) / 3.0;
                    1.0 / ((1.0 - smooth) / 32.0 + smooth)
                };
                crate::model::rounding::to_f32(found)
            })
            .collect();

        let found = llama3(&factors, theta, 64).unwrap().unwrap();
        assert_eq!(
            found,
            json!({"rope_type": "llama3", "factor": 32.0, "low_freq_factor": 1.0,
                   "high_freq_factor": 4.0, "original_max_position_embeddings": 8192.0})
        );
        let ones = vec![1.0; 32];
        assert_eq!(llama3(&ones, theta, 64), Ok(None));
        let mut other = factors;
        other[20] *= 1.1;
        insta::assert_snapshot!(llama3(&other, theta, 64).unwrap_err(), @"`rope_freqs.weight` is not what the scaling of Llama 3.1 gives, and no other is supported");
        insta::assert_snapshot!(llama3(&other, theta, 128).unwrap_err(), @"`rope_freqs.weight` has 32 numbers, expected 64, one for each pair of a head");
    }
}
