//! Rotary embeddings for longer texts than a model was trained on first: how wave lengths change.
//!
//! The formulas are those of transformers' `modeling_rope_utils`, whose names the keys have.

use std::f64::consts::TAU;

use serde_json::{Map, Value};

/// The base of the wave lengths where a configuration gives none.
const DEFAULT_THETA: f64 = 10_000.0;

/// The key of transformers 4, next to `rope_theta`.
const OLD: &str = "rope_scaling";

/// The key of transformers 5, which holds `rope_theta` too.
const NEW: &str = "rope_parameters";

/// Keys that a scaling of every type may have. Where the type does not read the original length,
/// transformers ignores it too.
const EVERY: [&str; 5] = [
    "original_max_position_embeddings",
    "partial_rotary_factor",
    "rope_theta",
    "rope_type",
    "type",
];

/// Keys of a scaling of type `llama3`.
const LLAMA3: [&str; 3] = ["factor", "low_freq_factor", "high_freq_factor"];

/// Keys of a scaling of type `yarn`.
const YARN: [&str; 7] = [
    "attention_factor",
    "beta_fast",
    "beta_slow",
    "factor",
    "mscale",
    "mscale_all_dim",
    "truncate",
];

/// What `config.json` says about rotary positions.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::model) struct RopeConfig {
    /// The base of the wave lengths.
    pub(in crate::model) theta: f64,
    /// How they change for longer texts.
    pub(in crate::model) scaling: Scaling,
}

/// How wave lengths change so that a model reads longer texts.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::model) enum Scaling {
    /// Not at all.
    None,
    /// Positions are divided by a factor.
    Linear { factor: f64 },
    /// The base grows with the length of the text, once that exceeds `original`.
    Dynamic { factor: f64, original: f64 },
    /// Long waves are stretched, short ones kept (Llama 3.1).
    Llama3 {
        factor: f64,
        low_freq_factor: f64,
        high_freq_factor: f64,
        original: f64,
    },
    /// Long waves are stretched, short ones kept, and scores sharpened (arXiv 2309.00071).
    Yarn {
        factor: f64,
        attention_factor: f64,
        beta_fast: f64,
        beta_slow: f64,
        is_truncated: bool,
        original: f64,
    },
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

/// Whether a part of each head would not turn.
fn is_partial(share: f64) -> bool {
    (share - 1.0).abs() > f64::EPSILON
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

/// The object that describes a scaling.
struct Keys<'a> {
    name: &'static str,
    object: &'a Map<String, Value>,
    config: &'a Map<String, Value>,
    max_position_embeddings: f64,
}

impl Keys<'_> {
    fn scaling(&self) -> Result<Scaling, String> {
        let (name, object) = (self.name, self.object);
        if let Some((key, _)) = object.iter().find(|(_, value)| value.is_object()) {
            return Err(format!(
                "`{name}` has `{key}`: rotary positions that differ between layers are not supported"
            ));
        }
        let kind = object.get("rope_type").or_else(|| object.get("type"));
        let kind = match kind {
            None | Some(Value::Null) => "default",
            Some(kind) => kind
                .as_str()
                .ok_or_else(|| format!("the type of `{name}` is `{kind}`, expected a text"))?,
        };
        if number(object, "partial_rotary_factor")?.is_some_and(is_partial) {
            return Err(format!(
                "`{name}` has a `partial_rotary_factor` that is not `1`"
            ));
        }
        let (own, scaling): (&[&str], _) = match kind {
            "default" => (&[], Ok(Scaling::None)),
            "linear" => (&["factor"], self.linear()),
            "dynamic" => (&["factor"], self.dynamic()),
            "llama3" => (&LLAMA3, self.llama3()),
            "yarn" => (&YARN, self.yarn()),
            other => {
                return Err(format!(
                    "`{name}` is of type `{other}`, expected `default`, `linear`, `dynamic`, \
                     `llama3` or `yarn`"
                ));
            }
        };
        let is_read = |key: &str| EVERY.contains(&key) || own.contains(&key);
        let unread = object
            .iter()
            .find(|(key, value)| !is_read(key) && !value.is_null());
        if let Some((key, _)) = unread {
            return Err(format!(
                "`{name}` has `{key}`, which a scaling of type `{kind}` does not read"
            ));
        }
        scaling
    }

    fn linear(&self) -> Result<Scaling, String> {
        let factor = self.positive("factor")?;
        Ok(Scaling::Linear { factor })
    }

    fn dynamic(&self) -> Result<Scaling, String> {
        Ok(Scaling::Dynamic {
            factor: self.positive("factor")?,
            original: self.max_position_embeddings,
        })
    }

    fn llama3(&self) -> Result<Scaling, String> {
        let low_freq_factor = self.positive("low_freq_factor")?;
        let high_freq_factor = self.positive("high_freq_factor")?;
        if high_freq_factor <= low_freq_factor {
            return Err(format!(
                "`high_freq_factor` of `{}` is `{high_freq_factor}`, expected more than \
                 `low_freq_factor`, `{low_freq_factor}`",
                self.name
            ));
        }
        Ok(Scaling::Llama3 {
            factor: self.positive("factor")?,
            low_freq_factor,
            high_freq_factor,
            original: self.original()?,
        })
    }

    fn yarn(&self) -> Result<Scaling, String> {
        let original = self.original()?;
        let factor = match number(self.object, "factor")? {
            None => self.max_position_embeddings / original,
            Some(_) => self.positive("factor")?,
        };
        let sharpness = |scale: f64| {
            if factor <= 1.0 {
                1.0
            } else {
                0.1 * scale * factor.ln() + 1.0
            }
        };
        let scales = (self.optional("mscale")?, self.optional("mscale_all_dim")?);
        // As in transformers: 0 and negative factors count, and only null means that there is none.
        let attention_factor = match (number(self.object, "attention_factor")?, scales) {
            (Some(given), _) => given,
            (None, (Some(one), Some(all))) => sharpness(one) / sharpness(all),
            (None, _) => sharpness(1.0),
        };
        Ok(Scaling::Yarn {
            factor,
            attention_factor,
            beta_fast: self.turns("beta_fast", 32.0)?,
            beta_slow: self.turns("beta_slow", 1.0)?,
            is_truncated: self.is_truncated()?,
            original,
        })
    }

    /// How often a wave turns within the original length; 0 counts as none.
    fn turns(&self, key: &str, default: f64) -> Result<f64, String> {
        match self.optional(key)? {
            Some(turns) if turns < 0.0 => Err(self.not_positive(key)),
            turns => Ok(turns.unwrap_or(default)),
        }
    }

    /// Whether `YaRN` rounds the ends of its ramp, as Python reads the value: 0 and null mean no.
    fn is_truncated(&self) -> Result<bool, String> {
        match self.object.get("truncate") {
            None => Ok(true),
            Some(Value::Null) => Ok(false),
            Some(Value::Bool(is_truncated)) => Ok(*is_truncated),
            Some(Value::Number(number)) => Ok(number.as_f64() != Some(0.0)),
            Some(other) => Err(format!(
                "`truncate` is `{other}`, expected `true` or `false`"
            )),
        }
    }

    /// The length of the texts of the original training.
    ///
    /// As in transformers, a key next to the object takes precedence over one inside it, and
    /// `max_position_embeddings` comes last.
    fn original(&self) -> Result<f64, String> {
        const KEY: &str = "original_max_position_embeddings";
        let found = match number(self.config, KEY)? {
            None => number(self.object, KEY)?,
            found => found,
        };
        match found {
            Some(length) if length <= 0.0 => {
                Err(format!("`{KEY}` is `{length}`, expected more than `0`"))
            }
            length => Ok(length.unwrap_or(self.max_position_embeddings)),
        }
    }

    /// A number of the object; 0 counts as none.
    fn optional(&self, key: &str) -> Result<Option<f64>, String> {
        Ok(number(self.object, key)?.filter(|value| *value != 0.0))
    }

    fn positive(&self, key: &str) -> Result<f64, String> {
        number(self.object, key)?
            .filter(|value| *value > 0.0)
            .ok_or_else(|| self.not_positive(key))
    }

    fn not_positive(&self, key: &str) -> String {
        format!("`{}` has no positive `{key}`", self.name)
    }
}

fn number(object: &Map<String, Value>, key: &str) -> Result<Option<f64>, String> {
    match object.get(key) {
        None | Some(Value::Null) => Ok(None),
        Some(value) => value
            .as_f64()
            .map(Some)
            .ok_or_else(|| format!("`{key}` is `{value}`, expected a number")),
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
