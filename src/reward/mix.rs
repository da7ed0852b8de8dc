//! What a training is rewarded for: one measure, or a weighted sum of several.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{PartScale, RewardSettings, Variant};

/// A part of a reward.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Part {
    /// The format that the prompt asks for: +1 or -1.
    Format,
    /// A comparison of the completion's code with the target's.
    Measure(Variant),
    /// The unit tests of the row that the completion's code passes.
    Tests,
    /// What a process of the user's own says.
    Custom,
}

impl Part {
    /// All parts, in the order in which a sum adds them.
    pub fn all() -> impl Iterator<Item = Self> {
        let measures = Variant::ALL.iter().map(|variant| match variant {
            Variant::Format => Self::Format,
            variant => Self::Measure(*variant),
        });
        measures.chain([Self::Tests, Self::Custom])
    }

    /// Its name in a spec.
    pub fn name(self) -> &'static str {
        match self {
            Self::Format => Variant::Format.name(),
            Self::Measure(variant) => variant.name(),
            Self::Tests => "tests",
            Self::Custom => "custom",
        }
    }

    /// The names of all parts, in their order.
    pub fn names() -> Vec<&'static str> {
        Self::all().map(Self::name).collect()
    }

    fn named(name: &str) -> Option<Self> {
        Self::all().find(|part| part.name() == name)
    }
}

/// The parts of a reward with their weights.
///
/// A name alone stands for that part and the format, each with the weight 1, so that `es_star` and
/// `{ format = 1.0, es_star = 1.0 }` are the same reward, and are written in the same way.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Written", into = "Written")]
pub struct Mix {
    /// In the order of the parts; no weight is 0.
    parts: Vec<(Part, f64)>,
}

/// A reward as a spec writes it.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Written {
    Name(String),
    Weights(BTreeMap<String, f64>),
}

/// Why a text or a table is no reward.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MixError {
    /// There is no part of that name.
    #[error("unknown reward `{0}`")]
    Unknown(String),
    /// A weight is not a number.
    #[error("the weight of `{0}` is not finite")]
    NotFinite(String),
    /// All weights are 0.
    #[error("the reward has no part whose weight is not `0`")]
    Empty,
}

impl From<Part> for Mix {
    fn from(part: Part) -> Self {
        let mut parts = vec![(Part::Format, 1.0)];
        if part != Part::Format {
            parts.push((part, 1.0));
        }
        Self { parts }
    }
}

impl From<Variant> for Mix {
    fn from(variant: Variant) -> Self {
        Self::from(match variant {
            Variant::Format => Part::Format,
            variant => Part::Measure(variant),
        })
    }
}

impl TryFrom<Written> for Mix {
    type Error = MixError;

    fn try_from(written: Written) -> Result<Self, MixError> {
        let part = |name: &str| Part::named(name).ok_or_else(|| MixError::Unknown(name.to_owned()));
        let weights = match written {
            Written::Name(name) => return Ok(Self::from(part(&name)?)),
            Written::Weights(weights) => weights,
        };
        let mut parts = Vec::new();
        for (name, weight) in weights {
            if !weight.is_finite() {
                return Err(MixError::NotFinite(name));
            }
            let part = part(&name)?;
            if weight != 0.0 {
                parts.push((part, weight));
            }
        }
        if parts.is_empty() {
            return Err(MixError::Empty);
        }
        parts.sort_by_key(|(part, _)| *part);
        Ok(Self { parts })
    }
}

impl From<Mix> for Written {
    fn from(mix: Mix) -> Self {
        match mix.single() {
            Some(part) => Self::Name(part.name().to_owned()),
            None => Self::Weights(
                mix.parts
                    .iter()
                    .map(|(part, weight)| (part.name().to_owned(), *weight))
                    .collect(),
            ),
        }
    }
}

impl Mix {
    /// The parts with their weights, in the order in which they are added.
    pub fn parts(&self) -> &[(Part, f64)] {
        &self.parts
    }

    /// Whether it has a part.
    pub fn has(&self, part: Part) -> bool {
        self.parts.iter().any(|(one, _)| *one == part)
    }

    /// The part whose name alone stands for this reward, if there is one.
    pub fn single(&self) -> Option<Part> {
        let (last, _) = *self.parts.last()?;
        (*self == Self::from(last)).then_some(last)
    }

    /// The reward in a few words: `es_star`, or `format + 0.5 es_star`.
    pub fn label(&self) -> String {
        if let Some(part) = self.single() {
            return part.name().to_owned();
        }
        let mut label = String::new();
        for (part, weight) in &self.parts {
            let size = weight.abs();
            let factor = if (size - 1.0).abs() < f64::EPSILON {
                String::new()
            } else {
                format!("{size} ")
            };
            let sign = match (label.is_empty(), *weight < 0.0) {
                (true, false) => "",
                (true, true) => "-",
                (false, false) => " + ",
                (false, true) => " - ",
            };
            label.extend([sign, &factor, part.name()]);
        }
        label
    }

    /// The settings without the tables that this reward does not read, so that they make no other job.
    pub fn of_settings(&self, mut settings: RewardSettings) -> RewardSettings {
        if !self.has(Part::Custom) {
            settings.custom = None;
        }
        if !self.runs_tests(&settings) {
            settings.tests = None;
        }
        settings
    }

    /// Whether the unit tests of rows are run for this reward.
    pub fn runs_tests(&self, settings: &RewardSettings) -> bool {
        let for_custom = settings.custom.as_ref().is_some_and(|custom| custom.tests);
        self.has(Part::Tests) || (self.has(Part::Custom) && for_custom)
    }

    /// The weighted terms of completions, one list for each part, from the values of each part.
    ///
    /// `values` has a list for each part, with a value for each completion; completions of one group
    /// follow each other. First a value is cut to the settings' `clip`, then scaled within its group.
    pub fn terms(
        &self,
        values: &[Vec<f64>],
        group_size: usize,
        settings: &RewardSettings,
    ) -> Vec<Vec<f64>> {
        let parts = self.parts.iter().zip(values);
        parts
            .map(|((_, weight), values)| {
                let mut terms = values.clone();
                if settings.clip > 0.0 {
                    let cut = |term: &mut f64| *term = term.clamp(-settings.clip, settings.clip);
                    terms.iter_mut().for_each(cut);
                }
                if settings.scale == PartScale::Group {
                    terms
                        .chunks_mut(group_size.max(1))
                        .for_each(to_mean_0_and_deviation_1);
                }
                for term in &mut terms {
                    *term *= weight;
                }
                terms
            })
            .collect()
    }
}

/// Moves and scales values to mean 0 and standard deviation 1; equal values become 0.
fn to_mean_0_and_deviation_1(values: &mut [f64]) {
    let count = values.len() as f64;
    let first = values.first().copied().unwrap_or_default();
    // Compared with each other, because rounding gives equal values a tiny deviation.
    if values.iter().all(|value| value.total_cmp(&first).is_eq()) {
        values.fill(0.0);
        return;
    }
    let mean = values.iter().sum::<f64>() / count;
    let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    let deviation = (squares / count).sqrt();
    for value in values {
        *value = (*value - mean) / deviation;
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::reward::Normalizer;

    fn mix(json: serde_json::Value) -> Result<Mix, String> {
        serde_json::from_value(json).map_err(|error| error.to_string())
    }

    fn settings(clip: f64, scale: PartScale) -> RewardSettings {
        RewardSettings {
            clip,
            scale,
            ..RewardSettings::of(Normalizer::Fixed)
        }
    }

    #[test]
    fn a_name_alone_is_the_sum_with_the_format_and_is_written_as_before() {
        for variant in Variant::ALL {
            let alone = Mix::from(*variant);
            assert_eq!(json!(alone), json!(variant.name()));
            assert_eq!(mix(json!(variant.name())).unwrap(), alone);
        }
        let sum = mix(json!({"es_star": 1.0, "format": 1.0, "em": 0.0})).unwrap();
        assert_eq!(sum, Mix::from(Variant::EsStar));
        assert_eq!(
            mix(json!({"format": 1})).unwrap(),
            Mix::from(Variant::Format)
        );
        // Without the format it is another reward.
        let bare = mix(json!({"es_star": 1.0})).unwrap();
        assert_eq!((bare.single(), bare.label().as_str()), (None, "es_star"));
        assert_eq!(json!(bare), json!({"es_star": 1.0}));
    }

    #[test]
    fn a_sum_keeps_its_weights_and_says_them() {
        let sum = mix(json!({"es_star": 0.5, "format": 1.0, "ast": -2.0})).unwrap();
        assert_eq!(sum.label(), "format + 0.5 es_star - 2 ast");
        assert_eq!(mix(json!(sum)).unwrap(), sum);
    }

    #[test]
    fn what_is_no_reward_is_refused() {
        for wrong in [
            json!("bleu"),
            json!({"bleu": 1.0}),
            json!({}),
            json!({"es": 0.0}),
            json!(1),
        ] {
            assert!(mix(wrong.clone()).is_err(), "{wrong}");
        }
    }

    /// By hand: weights 1 and 0.5; 3.5 is cut to 2.
    #[test]
    fn terms_are_cut_and_weighted() {
        let sum = mix(json!({"format": 1.0, "es_star": 0.5})).unwrap();
        let values = [vec![1.0, -1.0], vec![3.5, -1.5]];
        let terms = sum.terms(&values, 2, &settings(2.0, PartScale::None));
        assert_eq!(terms, [vec![1.0, -1.0], vec![1.0, -0.75]]);
        let uncut = sum.terms(&values, 2, &settings(0.0, PartScale::None));
        assert_eq!(uncut[1], [1.75, -0.75]);
    }

    /// By hand: 1 and 5 have mean 3 and deviation 2; the second group has equal values.
    #[test]
    fn terms_are_scaled_within_their_group() {
        let sum = mix(json!({"es": 3.0})).unwrap();
        let values = [vec![1.0, 5.0, 0.1, 0.1]];
        let terms = sum.terms(&values, 2, &settings(0.0, PartScale::Group));
        assert_eq!(terms, [vec![-3.0, 3.0, 0.0, 0.0]]);
    }
}
