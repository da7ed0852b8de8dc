//! One token from the logits of a row.

use rayon::prelude::*;

use crate::{
    model::{SamplingSettings, rounding::to_f32},
    seed::Stream,
};

/// How a token is drawn. Filters act one after the other, each on what the last one left and in
/// the order of the fields, as in transformers.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sampler {
    /// Divides the logits; 0 takes the most likely token.
    temperature: f64,
    /// Keeps the tokens that are as likely as the k-th; 0 keeps all.
    top_k: usize,
    /// Keeps the smallest set of tokens whose probabilities sum to this; 1 keeps all.
    top_p: f64,
    /// Keeps tokens that are this likely in comparison with the likeliest; 0 keeps all.
    min_p: f64,
}

impl Sampler {
    pub(super) fn new(settings: &SamplingSettings) -> Self {
        Self {
            temperature: settings.temperature,
            top_k: settings.top_k,
            top_p: settings.top_p,
            min_p: 0.0,
        }
    }

    /// Draws a token of each row, with its log-probability before any filter.
    ///
    /// # Shapes
    ///
    /// - `logits`: `[rows, vocabulary]`
    pub(super) fn draw(&self, logits: &[f32], streams: Vec<&mut Stream>) -> Vec<(u32, f32)> {
        let width = logits.len() / streams.len().max(1);
        // Rows are independent, so that the number of threads changes nothing.
        let rows = logits.par_chunks_exact(width).zip(streams);
        rows.map(|(logits, stream)| self.draw_one(logits, stream))
            .collect()
    }

    fn draw_one(&self, logits: &[f32], stream: &mut Stream) -> (u32, f32) {
        let is_greedy = self.temperature <= 0.0;
        let divisor = if is_greedy { 1.0 } else { self.temperature };
        let scores: Vec<f64> = logits
            .iter()
            .map(|logit| f64::from(*logit) / divisor)
            .collect();
        let log_sum = log_sum(&scores);
        let token = if is_greedy {
            first_of_largest(&scores)
        } else {
            pick(&self.filtered(scores.clone()), stream.uniform())
        };
        (
            u32::try_from(token).expect("a token has 32 bits"),
            to_f32(scores[token] - log_sum),
        )
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

/// The token in whose share of the unit interval `point` falls.
fn pick(probabilities: &[f64], point: f64) -> usize {
    let mut rest = point * probabilities.iter().sum::<f64>();
    let mut last = 0;
    for (token, probability) in probabilities.iter().enumerate() {
        if *probability > 0.0 {
            last = token;
            if rest < *probability {
                break;
            }
            rest -= probability;
        }
    }
    last
}
