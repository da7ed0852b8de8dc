//! The object of `config.json` that says how wave lengths change, key by key.

use serde_json::{Map, Value};

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

/// The object that describes a scaling.
pub(super) struct Keys<'a> {
    /// The key of the object.
    pub(super) name: &'static str,
    pub(super) object: &'a Map<String, Value>,
    /// All of `config.json`.
    pub(super) config: &'a Map<String, Value>,
    pub(super) max_position_embeddings: f64,
}

impl Keys<'_> {
    /// What the object describes; it may have no key that this does not read.
    pub(super) fn scaling(&self) -> Result<Scaling, String> {
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

/// A number; none if it is missing or null.
pub(super) fn number(object: &Map<String, Value>, key: &str) -> Result<Option<f64>, String> {
    match object.get(key) {
        None | Some(Value::Null) => Ok(None),
        Some(value) => value
            .as_f64()
            .map(Some)
            .ok_or_else(|| format!("`{key}` is `{value}`, expected a number")),
    }
}

/// Whether a part of each head would not turn.
pub(super) fn is_partial(share: f64) -> bool {
    (share - 1.0).abs() > f64::EPSILON
}
