//! Rotary embeddings for longer texts than a model was trained on first: how wave lengths change.
//!
//! The formulas are those of transformers' `modeling_rope_utils`, whose names the keys have.

mod scaling;

use std::f64::consts::TAU;

use serde_json::{Map, Value};

pub(in crate::model) use scaling::Scaling;

use scaling::{Keys, is_partial, number};

/// The base of the wave lengths where a configuration gives none.
const DEFAULT_THETA: f64 = 10_000.0;

/// The key of transformers 4, next to `rope_theta`.
const OLD: &str = "rope_scaling";

/// The key of transformers 5, which holds `rope_theta` too.
const NEW: &str = "rope_parameters";

/// What `config.json` says about rotary positions.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::model) struct RopeConfig {
    /// The base of the wave lengths.
    pub(in crate::model) theta: f64,
    /// How they change for longer texts.
    pub(in crate::model) scaling: Scaling,
}

impl RopeConfig {
    /// Reads both spellings: `rope_theta` and `rope_scaling`, and transformers 5's
    /// `rope_parameters`, which holds both.
    pub(in crate::model) fn from_json(
        config: &Map<String, Value>,
        max_position_embeddings: usize,
    ) -> Result<Self, String> {
        let outer = number(config, "rope_theta")?;
        // As in transformers 5: the older key wins, if a file has both and the older one says something.
        let found = match object(config, OLD)? {
            None => object(config, NEW)?.map(|found| (NEW, found)),
            Some(found) => Some((OLD, found)),
        };
        let (theta, scaling) = match found {
            None => (outer, Scaling::None),
            Some((name, object)) => {
                let keys = Keys {
                    name,
                    object,
                    config,
                    max_position_embeddings: max_position_embeddings as f64,
                };
                let scaling = keys.scaling()?;
                let theta = number(object, "rope_theta")?.or(outer);
                if name == NEW && theta.is_none() {
                    return Err(format!("`{NEW}` has no `rope_theta`"));
                }
                (theta, scaling)
            }
        };
        if number(config, "partial_rotary_factor")?.is_some_and(is_partial) {
            return Err(
                "`partial_rotary_factor` is not `1`: every pair of a head turns here".to_owned(),
            );
        }
        let theta = theta.unwrap_or(DEFAULT_THETA);
        if theta <= 1.0 {
            return Err(format!("`rope_theta` is `{theta}`, expected more than `1`"));
        }
        Ok(Self { theta, scaling })
    }

    /// The longest text, in tokens, where the configuration says `max_position_embeddings`.
    ///
    /// With dynamic scaling and `YaRN`, `max_position_embeddings` may be the length of the texts of the
    /// original training; the longest text is then that length times the factor.
    pub(in crate::model) fn longest(&self, max_position_embeddings: usize) -> usize {
        match &self.scaling {
            Scaling::Dynamic { factor, original }
            | Scaling::Yarn {
                factor, original, ..
            } => {
                #[expect(
                    clippy::cast_possible_truncation,
                    clippy::cast_sign_loss,
                    reason = "a length is positive, and far below 2⁵³"
                )]
                let stretched = (factor * original) as usize;
                stretched.max(max_position_embeddings)
            }
            _ => max_position_embeddings,
        }
    }

    /// The angle by which each pair of a head turns from one position to the next.
    pub(in crate::model) fn frequencies(&self, head_dim: usize) -> Vec<f64> {
        let width = head_dim as f64;
        let plain = (0..head_dim / 2).map(|pair| self.theta.powf(-2.0 * pair as f64 / width));
        match &self.scaling {
            // Dynamic frequencies begin as the plain ones.
            Scaling::None | Scaling::Dynamic { .. } => plain.collect(),
            Scaling::Linear { factor } => plain.map(|one| one / factor).collect(),
            Scaling::Llama3 {
                factor,
                low_freq_factor,
                high_freq_factor,
                original,
            } => {
                let one = |frequency: f64| {
                    // How often the wave fits into the first training's texts.
                    let turns = original * frequency / TAU;
                    let kept = (turns - low_freq_factor) / (high_freq_factor - low_freq_factor);
                    mix(frequency / factor, frequency, kept.clamp(0.0, 1.0))
                };
                plain.map(one).collect()
            }
            Scaling::Yarn { factor, .. } => {
                let (low, high) = self.yarn_range(width);
                let one = |(pair, frequency): (usize, f64)| {
                    let stretched = ((pair as f64 - low) / (high - low)).clamp(0.0, 1.0);
                    mix(frequency, frequency / factor, stretched)
                };
                plain.enumerate().map(one).collect()
            }
        }
    }

    /// What cosines and sines are multiplied by.
    pub(in crate::model) fn attention_factor(&self) -> f64 {
        match self.scaling {
            Scaling::Yarn {
                attention_factor, ..
            } => attention_factor,
            _ => 1.0,
        }
    }

    /// The pairs between which `YaRN` goes from keeping waves to stretching them.
    fn yarn_range(&self, width: f64) -> (f64, f64) {
        let Scaling::Yarn {
            beta_fast,
            beta_slow,
            is_truncated,
            original,
            ..
        } = self.scaling
        else {
            return (0.0, 1.0);
        };
        let pair = |turns: f64| width * (original / (turns * TAU)).ln() / (2.0 * self.theta.ln());
        let (low, high) = (pair(beta_fast), pair(beta_slow));
        let (low, high) = if is_truncated {
            (low.floor(), high.ceil())
        } else {
            (low, high)
        };
        let (low, high) = (low.max(0.0), high.min(width - 1.0));
        // As in transformers: a ramp must have a width.
        let is_step = (high - low).abs() < f64::EPSILON;
        (low, if is_step { high + 0.001 } else { high })
    }
}

/// From `a` to `b` as `share` goes from 0 to 1.
fn mix(a: f64, b: f64, share: f64) -> f64 {
    a * (1.0 - share) + b * share
}

/// The object with a name; none if it is missing, null or empty.
fn object<'a>(
    config: &'a Map<String, Value>,
    name: &str,
) -> Result<Option<&'a Map<String, Value>>, String> {
    match config.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Object(object)) => Ok(Some(object).filter(|object| !object.is_empty())),
        Some(other) => Err(format!("`{name}` is `{other}`, expected an object")),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(value: &Value, max: usize) -> Result<RopeConfig, String> {
        RopeConfig::from_json(value.as_object().unwrap(), max)
    }

    #[test]
    fn both_spellings_say_the_same() {
        let scaling = json!({"type": "linear", "factor": 4.0});
        let old = read(&json!({"rope_theta": 1e5, "rope_scaling": scaling}), 16);
        let parameters = json!({"rope_type": "linear", "factor": 4.0, "rope_theta": 1e5});
        let new = read(&json!({"rope_parameters": parameters}), 16);

        assert_eq!(old, new);
        assert!((old.unwrap().theta - 1e5).abs() < 1e-9);
    }

    #[test]
    fn frequencies_of_linear_scaling_are_divided() {
        let scaling = json!({"rope_type": "linear", "factor": 4.0});
        let rope = read(&json!({"rope_theta": 100.0, "rope_scaling": scaling}), 16).unwrap();

        // 100^0 / 4, 100^(-1/2) / 4
        let expected = [0.25, 0.025];
        for (found, expected) in rope.frequencies(4).into_iter().zip(expected) {
            assert!((found - expected).abs() < 1e-15, "{found}");
        }
    }

    #[test]
    fn long_waves_of_llama3_are_stretched_and_short_ones_kept() {
        let scaling = json!({"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0,
                             "high_freq_factor": 4.0, "original_max_position_embeddings": 64});
        let rope = read(&json!({"rope_theta": 100.0, "rope_scaling": scaling}), 512).unwrap();

        // Turns within 64 tokens: 64/2π = 10.19 is above 4; a tenth of that, 1.0186, is 0.0062
        // of the way from 1 to 4. By hand: 0.1·(0.9938/8 + 0.0062) = 0.0130424.
        let found = rope.frequencies(4);
        assert!((found[0] - 1.0).abs() < 1e-15, "{found:?}");
        assert!((found[1] - 0.013_042_4).abs() < 1e-6, "{found:?}");
        assert_eq!(rope.longest(512), 512);
    }

    #[test]
    fn yarn_sharpens_scores_and_lengthens_texts() {
        let scaling =
            json!({"type": "yarn", "factor": 4.0, "original_max_position_embeddings": 32768});
        let rope = read(&json!({"rope_theta": 1e6, "rope_scaling": scaling}), 32768).unwrap();

        // 0.1·ln 4 + 1
        assert!((rope.attention_factor() - 1.138_629_436_111_989).abs() < 1e-15);
        assert_eq!(rope.longest(32768), 131_072);
        let frequencies = rope.frequencies(128);
        assert!((frequencies[0] - 1.0).abs() < 1e-15);
        // The longest wave is stretched by the whole factor.
        let longest = 1e6_f64.powf(-126.0 / 128.0) / 4.0;
        assert!((frequencies[63] / longest - 1.0).abs() < 1e-12);
    }

    #[test]
    fn yarn_heeds_the_values_that_python_heeds() {
        // Oracle: `_compute_yarn_parameters` of transformers 5.23 for these keys, with a base of 10000.
        let yarn = |key: &str, value: Value| {
            let mut scaling = json!({"type": "yarn", "factor": 4.0, "rope_theta": 1e4,
                                     "original_max_position_embeddings": 1024});
            scaling[key] = value;
            read(&json!({"rope_parameters": scaling}), 4096)
        };
        let factor = |key: &str, value| yarn(key, value).unwrap().attention_factor();
        for (key, value, expected) in [
            ("attention_factor", json!(0), 0.0),
            ("attention_factor", json!(-1.5), -1.5),
            ("attention_factor", json!(null), 1.138_629_436_111_989),
            ("mscale", json!(-1.0), 1.138_629_436_111_989),
        ] {
            let found = factor(key, value.clone());
            assert!((found - expected).abs() < 1e-15, "{key} {value}: {found}");
        }
        let scales = json!({"type": "yarn", "factor": 4.0, "mscale": -1.0, "mscale_all_dim": 0.5});
        let scales = read(&json!({"rope_scaling": scales}), 64).unwrap();
        assert!((scales.attention_factor() - 0.805_535_123_891_285_8).abs() < 1e-15);

        let rounded = 0.081_250_004;
        let exact = 0.085_398_637;
        for (value, expected) in [
            (json!(true), rounded),
            (json!(1), rounded),
            (json!(false), exact),
            (json!(0), exact),
            (json!(0.0), exact),
            (json!(null), exact),
        ] {
            let found = yarn("truncate", value.clone()).unwrap().frequencies(16)[2];
            // The oracle computes with 32 bits.
            assert!((found - expected).abs() < 1e-7, "{value}: {found}");
        }
        let plain = yarn("beta_fast", json!(0)).unwrap().frequencies(16)[2];
        assert!((plain - rounded).abs() < 1e-7, "{plain}");

        // transformers fails on these, or computes with infinities.
        let error = |key, value| yarn(key, value).unwrap_err();
        insta::assert_snapshot!(error("truncate", json!("no")), @r#"`truncate` is `"no"`, expected `true` or `false`"#);
        insta::assert_snapshot!(error("factor", json!(0)), @"`rope_parameters` has no positive `factor`");
        insta::assert_snapshot!(error("beta_fast", json!(-1)), @"`rope_parameters` has no positive `beta_fast`");
        insta::assert_snapshot!(error("beta_slow", json!(-1)), @"`rope_parameters` has no positive `beta_slow`");
        insta::assert_snapshot!(error("original_max_position_embeddings", json!(0)), @"`original_max_position_embeddings` is `0`, expected more than `0`");
    }

    #[test]
    fn what_is_wrong_is_named() {
        let error = |scaling: Value| read(&json!({"rope_scaling": scaling}), 16).unwrap_err();

        insta::assert_snapshot!(error(json!({"rope_type": "longrope"})), @"`rope_scaling` is of type `longrope`, expected `default`, `linear`, `dynamic`, `llama3` or `yarn`");
        insta::assert_snapshot!(error(json!({"type": "linear"})), @"`rope_scaling` has no positive `factor`");
        insta::assert_snapshot!(error(json!({"type": "linear", "factor": "4"})), @r#"`factor` is `"4"`, expected a number"#);
        insta::assert_snapshot!(error(json!({"type": "linear", "factor": 4, "beta_fast": 2})), @"`rope_scaling` has `beta_fast`, which a scaling of type `linear` does not read");
        insta::assert_snapshot!(error(json!({"factor": 4})), @"`rope_scaling` has `factor`, which a scaling of type `default` does not read");
        insta::assert_snapshot!(error(json!({"type": 4})), @"the type of `rope_scaling` is `4`, expected a text");
        insta::assert_snapshot!(error(json!("linear")), @r#"`rope_scaling` is `"linear"`, expected an object"#);
        insta::assert_snapshot!(error(json!({"type": "default", "partial_rotary_factor": 0.5})), @"`rope_scaling` has a `partial_rotary_factor` that is not `1`");
        let outer = json!({"partial_rotary_factor": 0.5});
        insta::assert_snapshot!(read(&outer, 16).unwrap_err(), @"`partial_rotary_factor` is not `1`: every pair of a head turns here");
    }

    #[test]
    fn parameters_that_differ_between_layers_or_lack_the_base_are_refused() {
        let error = |parameters: Value| {
            let config = json!({"rope_parameters": parameters});
            read(&config, 16).unwrap_err()
        };
        let one = json!({"rope_type": "default", "rope_theta": 5e5});

        insta::assert_snapshot!(error(json!({"full_attention": one, "sliding_attention": one})), @"`rope_parameters` has `full_attention`: rotary positions that differ between layers are not supported");
        insta::assert_snapshot!(error(json!({"rope_type": "default"})), @"`rope_parameters` has no `rope_theta`");
    }

    #[test]
    fn the_base_is_found_where_transformers_finds_it() {
        // Oracle: `RotaryEmbeddingConfigMixin` of transformers 5.23.
        let theta = |config: Value| read(&config, 16).unwrap().theta;
        for (config, expected) in [
            (json!({}), 1e4),
            (json!({"rope_theta": 5e5}), 5e5),
            (json!({"rope_parameters": {"rope_theta": 5e5}}), 5e5),
            (
                json!({"rope_theta": 5e5, "rope_parameters": {"rope_type": "default"}}),
                5e5,
            ),
            (
                json!({"rope_theta": 7.0, "rope_parameters": {"rope_theta": 5e5}}),
                5e5,
            ),
            (
                json!({"rope_scaling": {}, "rope_parameters": {"rope_theta": 5e5}}),
                5e5,
            ),
            (
                json!({"rope_scaling": null, "rope_parameters": {"rope_theta": 5e5}}),
                5e5,
            ),
        ] {
            assert!((theta(config.clone()) - expected).abs() < 1e-9, "{config}");
        }
    }
}
