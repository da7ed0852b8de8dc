//! How far the policy has moved from the reference.

use burn::tensor::Tensor;

/// The estimator k3 of the KL divergence of the policy from the reference, for each token.
///
/// `exp(d) - d - 1` with `d = reference - log_prob`. It is never negative, and unbiased for samples
/// of the policy (GRPO, arXiv 2402.03300, eq. 4).
///
/// # Shapes
///
/// - `log_prob`, `reference`, output: `[batch, time]`
pub(in crate::train) fn k3(log_prob: Tensor<2>, reference: Tensor<2>) -> Tensor<2> {
    let difference = reference - log_prob;
    difference.clone().exp() - difference - 1.0
}

#[cfg(test)]
mod tests {
    use burn::tensor::{Device, Tensor};
    use serde_json::Value;

    use super::*;

    #[test]
    fn k3_has_the_golden_values() {
        // Oracle: tests/golden/rl/logprobs_masks_kl.json, made by make/misc.py. The file also has
        // k1 and k2, which no objective uses.
        let golden: Value = serde_json::from_str(include_str!(
            "../../../tests/golden/rl/logprobs_masks_kl.json"
        ))
        .unwrap();
        let read =
            |key: &str| -> Vec<f32> { serde_json::from_value(golden["kl"][key].clone()).unwrap() };
        let device = Device::flex();
        let tensor =
            |key: &str| Tensor::<1>::from_floats(read(key).as_slice(), &device).unsqueeze::<2>();

        let ours: Vec<f32> = k3(tensor("logp"), tensor("ref"))
            .into_data()
            .try_to_vec()
            .unwrap();

        assert_eq!(ours.len(), 9);
        for (ours, expected) in ours.iter().zip(read("k3")) {
            // 2e-7: f32, and the three terms are close to 1.
            assert!((ours - expected).abs() < 2e-7, "{ours} {expected}");
        }
    }
}
