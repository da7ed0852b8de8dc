//! How far the policy has moved from the reference.

use burn::tensor::Tensor;
use serde::{Deserialize, Serialize};

/// An estimator of the KL divergence of the policy from the reference, from the token that was drawn.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KlEstimator {
    /// `-d` with `d = reference - log_prob`: unbiased, and negative for some tokens. In a loss its
    /// gradient is that of the log-probability alone, whose mean over samples of the policy is 0.
    K1,
    /// `d²/2`: never negative, and biased; its gradient is an unbiased one of the divergence.
    K2,
    /// `exp(d) - d - 1`: never negative, and unbiased for samples of the policy (GRPO, arXiv
    /// 2402.03300, eq. 4).
    #[default]
    K3,
}

impl KlEstimator {
    /// Leaves the default out of a job's identity: jobs from before the key are the same jobs.
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
    pub(in crate::train) fn is_k3(&self) -> bool {
        *self == Self::K3
    }

    /// The estimate for each token.
    ///
    /// # Shapes
    ///
    /// - `log_prob`, `reference`, output: `[batch, time]`
    pub(in crate::train) fn estimate(self, log_prob: Tensor<2>, reference: Tensor<2>) -> Tensor<2> {
        let difference = reference - log_prob;
        match self {
            Self::K1 => difference.neg(),
            Self::K2 => difference.clone() * difference * 0.5,
            Self::K3 => difference.clone().exp() - difference - 1.0,
        }
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::{Device, Tensor};
    use serde_json::Value;

    use super::*;

    #[test]
    fn each_estimator_has_the_golden_values() {
        // Oracle: tests/golden/rl/logprobs_masks_kl.json, made by make/misc.py.
        let golden: Value = serde_json::from_str(include_str!(
            "../../../tests/golden/rl/logprobs_masks_kl.json"
        ))
        .unwrap();
        let read =
            |key: &str| -> Vec<f32> { serde_json::from_value(golden["kl"][key].clone()).unwrap() };
        let device = Device::flex();
        let tensor =
            |key: &str| Tensor::<1>::from_floats(read(key).as_slice(), &device).unsqueeze::<2>();
        for (estimator, key) in [
            (KlEstimator::K1, "k1"),
            (KlEstimator::K2, "k2"),
            (KlEstimator::K3, "k3"),
        ] {
            let ours: Vec<f32> = estimator
                .estimate(tensor("logp"), tensor("ref"))
                .into_data()
                .try_to_vec()
                .unwrap();

            assert_eq!(ours.len(), 9);
            for (ours, expected) in ours.iter().zip(read(key)) {
                // 2e-7: f32, and the terms are of order one.
                assert!((ours - expected).abs() < 2e-7, "{key}: {ours} {expected}");
            }
        }
    }
}
