//! Tokens drawn from logits in the memory of the host, in 64 bits.

use crate::{
    model::{ops::inverse_cdf::pick, rounding::to_f32, settings::SamplingSettings},
    seed::Stream,
};

use super::threads::team;

/// How a token is drawn. The filters act in the order of the fields, each on what the one before
/// has left, as in transformers.
#[derive(Clone, Copy, Debug)]
pub(in crate::model) struct Sampler {
    /// Divides the logits; 0 takes the most likely token.
    temperature: f64,
    /// Keeps the tokens that are as likely as the k-th; 0 keeps all.
    top_k: usize,
    /// Keeps the smallest set of tokens whose probabilities sum to this; 1 keeps all.
    top_p: f64,
    /// Keeps the tokens whose probability is at least this share of the largest; 0 keeps all.
    min_p: f64,
}

impl Sampler {
    pub(in crate::model) fn new(settings: &SamplingSettings) -> Self {
        Self {
            temperature: settings.temperature,
            top_k: settings.top_k,
            top_p: settings.top_p,
            min_p: settings.min_p,
        }
    }

    /// What divides the logits; 0 takes the most likely token.
    pub(in crate::model::ops) fn temperature(&self) -> f64 {
        self.temperature
    }

    /// Draws a token of each row, with its log-probability before any filter.
    ///
    /// # Shapes
    ///
    /// - `logits`: `[rows, vocabulary]`
    pub(in crate::model::ops) fn draw(
        &self,
        logits: &[f32],
        streams: Vec<&mut Stream>,
    ) -> Vec<(u32, f32)> {
        let width = logits.len() / streams.len().max(1);
        let mut drawn = vec![(0, 0.0); streams.len()];
        let rows = logits.chunks_exact(width).zip(streams).zip(&mut drawn);
        // Rows are independent, so that the number of threads changes no digit.
        team::each(rows.collect(), |((logits, stream), drawn)| {
            *drawn = self.draw_one(logits, stream);
        });
        drawn
    }

    fn draw_one(&self, logits: &[f32], stream: &mut Stream) -> (u32, f32) {
        let is_greedy = self.temperature <= 0.0;
        let divisor = if is_greedy { 1.0 } else { self.temperature };
        let scores: Vec<f64> = logits
            .iter()
            .map(|logit| f64::from(*logit) / divisor)
            .collect();
        let largest = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let weights: Vec<f64> = scores.iter().map(|score| (score - largest).exp()).collect();
        let log_sum = largest + weights.iter().sum::<f64>().ln();
        let token = if is_greedy {
            first_of_largest(&scores)
        } else if self.keeps_all() {
            pick_share(&weights, stream.uniform())
        } else {
            pick_share(&self.filtered(scores.clone()), stream.uniform())
        };
        (
            u32::try_from(token).expect("a token has 32 bits"),
            to_f32(scores[token] - log_sum),
        )
    }

    /// Whether no filter drops any token.
    pub(in crate::model::ops) fn keeps_all(&self) -> bool {
        self.top_k == 0 && self.top_p >= 1.0 && self.min_p <= 0.0
    }

    /// The probabilities that are left after the filters.
    fn filtered(&self, mut scores: Vec<f64>) -> Vec<f64> {
        if self.top_k > 0 && self.top_k < scores.len() {
            let mut sorted = scores.clone();
            let (_, threshold, _) =
                sorted.select_nth_unstable_by(self.top_k - 1, |a, b| b.total_cmp(a));
            let threshold = *threshold;
            drop_if(&mut scores, |score| score < threshold);
        }
        if self.top_p < 1.0 {
            drop_tail(&mut scores, 1.0 - self.top_p);
        }
        let mut probabilities = probabilities(&scores);
        if self.min_p > 0.0 {
            let largest = probabilities.iter().copied().fold(0.0, f64::max);
            let least = self.min_p * largest;
            for (score, probability) in scores.iter_mut().zip(&probabilities) {
                if *probability < least {
                    *score = f64::NEG_INFINITY;
                }
            }
            probabilities = self::probabilities(&scores);
        }
        probabilities
    }
}

/// Drops the least likely tokens as long as their probabilities sum to no more than `tail`.
fn drop_tail(scores: &mut [f64], tail: f64) {
    let probabilities = probabilities(scores);
    let mut order: Vec<usize> = (0..scores.len()).collect();
    order.sort_by(|a, b| scores[*a].total_cmp(&scores[*b]));
    let mut sum = 0.0;
    // The likeliest token stays, whatever the bound.
    for token in order.into_iter().rev().skip(1).rev() {
        sum += probabilities[token];
        if sum > tail {
            break;
        }
        scores[token] = f64::NEG_INFINITY;
    }
}

fn drop_if(scores: &mut [f64], is_dropped: impl Fn(f64) -> bool) {
    for score in scores {
        if is_dropped(*score) {
            *score = f64::NEG_INFINITY;
        }
    }
}

fn probabilities(scores: &[f64]) -> Vec<f64> {
    let log_sum = log_sum(scores);
    scores.iter().map(|score| (score - log_sum).exp()).collect()
}

fn log_sum(scores: &[f64]) -> f64 {
    let largest = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    largest
        + scores
            .iter()
            .map(|score| (score - largest).exp())
            .sum::<f64>()
            .ln()
}

fn first_of_largest(scores: &[f64]) -> usize {
    let larger = |best: usize, other: usize| {
        if scores[other] > scores[best] {
            other
        } else {
            best
        }
    };
    (0..scores.len()).fold(0, larger)
}

/// The token in whose share of the unit interval `point` falls; weights need not sum to one.
fn pick_share(weights: &[f64], point: f64) -> usize {
    pick(weights, point * weights.iter().sum::<f64>()).0
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::seed::stream;

    fn numbers(value: &Value) -> Vec<f64> {
        serde_json::from_value(value.clone()).unwrap()
    }

    #[test]
    fn filtered_probabilities_are_those_of_transformers() {
        // Oracle: tests/golden/rl/sampling_filters.json, made by its `make/misc.py` and checked
        // against transformers.
        let text = include_str!("../../../../tests/golden/rl/sampling_filters.json");
        let golden: Value = serde_json::from_str(text).unwrap();
        for (index, row) in golden["rows"].as_array().unwrap().iter().enumerate() {
            let sampler = Sampler::new(&SamplingSettings {
                temperature: row["temperature"].as_f64().unwrap(),
                top_k: usize::try_from(row["top_k"].as_u64().unwrap()).unwrap(),
                top_p: row["top_p"].as_f64().unwrap(),
                min_p: row["min_p"].as_f64().unwrap_or(0.0),
                max_completion_tokens: 1,
            });
            let scores = numbers(&row["logits"])
                .iter()
                .map(|x| x / sampler.temperature)
                .collect();

            let found = sampler.filtered(scores);

            for (found, expected) in found.iter().zip(numbers(&row["probs"])) {
                // 1e-14: 64 bits, sums of twenty numbers.
                assert!(
                    (found - expected).abs() < 1e-14,
                    "row {index}: {found} {expected}"
                );
            }
        }
    }

    #[test]
    fn draws_follow_the_probabilities() {
        let sampler = Sampler {
            temperature: 1.0,
            top_k: 0,
            top_p: 1.0,
            min_p: 0.0,
        };
        let shares = [0.5, 0.2, 0.0, 0.3];
        let logits: Vec<f32> = shares
            .iter()
            .map(|share: &f64| to_f32(share.ln()))
            .collect();
        let mut stream = stream(1, "sampler", 0, 0);
        let mut counts = [0; 4];
        for _ in 0..20_000 {
            let (token, log_prob) = sampler.draw(&logits, vec![&mut stream])[0];
            let token = token as usize;
            counts[token] += 1;
            assert!((f64::from(log_prob) - shares[token].ln()).abs() < 1e-6);
        }

        for (count, share) in counts.iter().zip(shares) {
            // 0.02: more than five standard errors of a share of 20,000 draws.
            assert!((f64::from(*count) / 2e4 - share).abs() < 0.02, "{counts:?}");
        }
        assert_eq!(counts[2], 0);
    }

    #[test]
    fn temperature_zero_takes_the_first_of_the_largest() {
        let sampler = Sampler {
            temperature: 0.0,
            top_k: 0,
            top_p: 1.0,
            min_p: 0.0,
        };
        let mut stream = stream(1, "sampler", 0, 0);

        let (token, log_prob) = sampler.draw(&[0.0, 2.0, 2.0], vec![&mut stream])[0];

        // ln(e² / (1 + 2e²)) = -ln(2 + e⁻²)
        let expected = -(2.0 + (-2.0f32).exp()).ln();
        assert_eq!(token, 1);
        assert!((log_prob - expected).abs() < 1e-6);
    }
}
