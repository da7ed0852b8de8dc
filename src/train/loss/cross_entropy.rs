//! The loss of supervised fine-tuning.

use burn::tensor::Tensor;

/// The weight of each token of a row, before it is divided by the total of the batch.
///
/// A token of the prompt has `prompt_weight`, a token of the completion 1.
pub(in crate::train) fn token_weights(
    prompt_tokens: usize,
    completion_tokens: usize,
    prompt_weight: f64,
) -> Vec<f64> {
    let mut weights = vec![prompt_weight; prompt_tokens];
    weights.resize(prompt_tokens + completion_tokens, 1.0);
    weights
}

/// Weighted sum of the negative log-probabilities: the loss of a batch, or a micro-batch's share.
///
/// # Shapes
///
/// - `log_prob`, `weight`: `[batch, time]`; a weight of 0 hides a position
/// - output: `[1]`
pub(in crate::train) fn cross_entropy(log_prob: Tensor<2>, weight: Tensor<2>) -> Tensor<1> {
    (log_prob * weight).sum().neg()
}

#[cfg(test)]
mod tests {
    use burn::tensor::Device;

    use super::*;
    use crate::model::to_f32;

    #[test]
    fn the_mean_is_over_weighted_tokens() {
        let device = Device::flex();
        let log_prob = Tensor::from_floats([[-1.0, -2.0, -4.0]], &device);
        let weights = token_weights(1, 2, 0.5);
        let total: f64 = weights.iter().sum();
        let shares: Vec<f32> = weights
            .iter()
            .map(|weight| to_f32(weight / total))
            .collect();
        let shares = Tensor::<1>::from_floats(shares.as_slice(), &device).unsqueeze();

        let loss: f32 = cross_entropy(log_prob, shares).into_scalar();

        // (0.5*1 + 2 + 4) / 2.5 = 2.6; 1e-6: f32.
        assert!((loss - 2.6).abs() < 1e-6, "{loss}");
    }
}
