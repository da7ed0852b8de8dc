//! Measurements of the policy while it learns.

use burn::tensor::Tensor;
use serde::{Deserialize, Serialize};

/// What the loss of a micro-batch measures besides its value.
///
/// The numbers stay on the device until all micro-batches are over, so that none waits for them.
#[derive(Debug, Default)]
pub(in crate::train) struct Diagnostics {
    /// The sum of the entropy of each token.
    pub(in crate::train) entropy: Option<Tensor<1>>,
    /// The sum of the divergence of each token from the reference.
    pub(in crate::train) kl: Option<Tensor<1>>,
    /// The largest difference between a token's log-probability in the sampler and in the trainer.
    pub(in crate::train) log_prob_gap: Option<Tensor<1>>,
    /// The number of tokens in the sums.
    pub(in crate::train) tokens: usize,
}

/// The loss of a micro-batch and what was measured with it, as numbers.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(from = "Bits", into = "Bits")]
pub(super) struct Figures {
    pub(super) loss: f64,
    entropy: Option<f64>,
    kl: Option<f64>,
    log_prob_gap: Option<f64>,
    tokens: usize,
}

impl Figures {
    /// Those of some micro-batches, in few transfers from the device.
    pub(super) fn read(measured: Vec<(Tensor<1>, Diagnostics)>) -> Vec<Self> {
        let (mut losses, mut all) = (Vec::new(), Vec::new());
        for (loss, diagnostics) in measured {
            losses.push(Some(loss));
            all.push(diagnostics);
        }
        let losses = read_some(losses);
        let tokens: Vec<usize> = all.iter().map(|one| one.tokens).collect();
        let entropy = read_some(all.iter_mut().map(|one| one.entropy.take()).collect());
        let kl = read_some(all.iter_mut().map(|one| one.kl.take()).collect());
        let gaps = read_some(all.iter_mut().map(|one| one.log_prob_gap.take()).collect());
        (0..all.len())
            .map(|index| Self {
                loss: losses[index].unwrap_or_default(),
                entropy: entropy[index],
                kl: kl[index],
                log_prob_gap: gaps[index],
                tokens: tokens[index],
            })
            .collect()
    }
}

/// Figures between processes: text has no infinity, and no number that is none.
#[derive(Serialize, Deserialize)]
struct Bits([Option<u64>; 4], usize);

impl From<Figures> for Bits {
    fn from(figures: Figures) -> Self {
        let Figures {
            loss,
            entropy,
            kl,
            log_prob_gap,
            tokens,
        } = figures;
        let numbers = [Some(loss), entropy, kl, log_prob_gap];
        Self(numbers.map(|number| number.map(f64::to_bits)), tokens)
    }
}

impl From<Bits> for Figures {
    fn from(Bits(bits, tokens): Bits) -> Self {
        let [loss, entropy, kl, log_prob_gap] = bits.map(|bits| bits.map(f64::from_bits));
        Self {
            loss: loss.unwrap_or_default(),
            entropy,
            kl,
            log_prob_gap,
            tokens,
        }
    }
}

/// What was measured in some micro-batches, in their order.
#[derive(Clone, Debug, Default, PartialEq)]
pub(in crate::train) struct Measured {
    /// Sums of the entropy of each token.
    pub(in crate::train) entropy: Vec<f64>,
    kl: Vec<f64>,
    /// Largest differences between sampler and trainer.
    pub(in crate::train) log_prob_gaps: Vec<f64>,
    /// The number of tokens in the sums.
    pub(in crate::train) tokens: usize,
}

impl Measured {
    pub(super) fn of(all: &[Figures]) -> Self {
        Self {
            entropy: all.iter().filter_map(|one| one.entropy).collect(),
            kl: all.iter().filter_map(|one| one.kl).collect(),
            log_prob_gaps: all.iter().filter_map(|one| one.log_prob_gap).collect(),
            tokens: all.iter().map(|one| one.tokens).sum(),
        }
    }

    /// Adds the measurements that were made after these.
    pub(in crate::train) fn add(&mut self, other: Self) {
        self.entropy.extend(other.entropy);
        self.kl.extend(other.kl);
        self.log_prob_gaps.extend(other.log_prob_gaps);
        self.tokens += other.tokens;
    }

    /// The mean entropy of a token, if it was measured.
    pub(in crate::train) fn mean_entropy(&self) -> Option<f64> {
        self.mean(&self.entropy)
    }

    /// The mean divergence of a token, if it was measured.
    pub(in crate::train) fn mean_kl(&self) -> Option<f64> {
        self.mean(&self.kl)
    }

    /// The largest difference between sampler and trainer, if it was measured.
    pub(in crate::train) fn largest_log_prob_gap(&self) -> Option<f64> {
        self.log_prob_gaps.iter().copied().reduce(f64::max)
    }

    fn mean(&self, sums: &[f64]) -> Option<f64> {
        let mean = || sums.iter().sum::<f64>() / self.tokens.max(1) as f64;
        (!sums.is_empty()).then(mean)
    }
}

/// The values of the tensors that are there, with one element each, in a single transfer from the device.
fn read_some(tensors: Vec<Option<Tensor<1>>>) -> Vec<Option<f64>> {
    let is_there: Vec<bool> = tensors.iter().map(Option::is_some).collect();
    let tensors: Vec<_> = tensors.into_iter().flatten().collect();
    let mut numbers = Vec::new();
    if !tensors.is_empty() {
        numbers.extend(Tensor::cat(tensors, 0).into_data().iter::<f64>());
    }
    let mut numbers = numbers.into_iter();
    is_there
        .into_iter()
        .map(|is_there| is_there.then(|| numbers.next()).flatten())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_stay_what_they_are_on_their_way_to_another_rank() {
        let figures = Figures {
            loss: f64::NAN,
            entropy: Some(f64::NEG_INFINITY),
            kl: None,
            log_prob_gap: Some(0.1 + 0.2),
            tokens: 7,
        };

        let text = serde_json::to_vec(&figures).unwrap();
        let read: Figures = serde_json::from_slice(&text).unwrap();

        let bits = |figures: Figures| {
            let Bits(numbers, tokens) = figures.into();
            (numbers, tokens)
        };
        assert_eq!(bits(read), bits(figures));
    }
}
