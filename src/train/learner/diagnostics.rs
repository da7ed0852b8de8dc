//! Measurements of the policy while it learns.

use burn::tensor::Tensor;

/// What losses measure besides their value, summed over the micro-batches of a step.
///
/// The numbers stay on the device until the step is over, so that no update waits for them.
#[derive(Debug, Default)]
pub(in crate::train) struct Diagnostics {
    /// Sums of the entropy of each token.
    pub(in crate::train) entropy: Vec<Tensor<1>>,
    /// Sums of the divergence of each token from the reference.
    pub(in crate::train) kl: Vec<Tensor<1>>,
    /// Largest differences between a token's log-probability in the sampler and in the trainer.
    pub(in crate::train) log_prob_gaps: Vec<Tensor<1>>,
    /// The largest such difference where it is already known.
    pub(in crate::train) known_gap: Option<f64>,
    /// The number of tokens in the sums.
    pub(in crate::train) tokens: usize,
}

impl Diagnostics {
    /// Adds the measurements that were made after these.
    pub(in crate::train) fn add(&mut self, other: Self) {
        self.entropy.extend(other.entropy);
        self.kl.extend(other.kl);
        self.log_prob_gaps.extend(other.log_prob_gaps);
        let gaps = [self.known_gap, other.known_gap];
        self.known_gap = gaps.into_iter().flatten().reduce(f64::max);
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
        read_scalars(self.log_prob_gaps.clone())
            .into_iter()
            .chain(self.known_gap)
            .reduce(f64::max)
    }

    fn mean(&self, sums: &[Tensor<1>]) -> Option<f64> {
        let mean = || read_scalars(sums.to_vec()).iter().sum::<f64>() / self.tokens.max(1) as f64;
        (!sums.is_empty()).then(mean)
    }
}

/// The values of tensors with one element each, in a single transfer from the device.
pub(super) fn read_scalars(tensors: Vec<Tensor<1>>) -> Vec<f64> {
    if tensors.is_empty() {
        return Vec::new();
    }
    Tensor::cat(tensors, 0).into_data().iter::<f64>().collect()
}
