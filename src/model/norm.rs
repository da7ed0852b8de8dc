//! Root-mean-square normalisation (arXiv 1910.07467).

use burn::tensor::Tensor;

use super::{
    ops,
    parameter::{self, Layout, Visit},
};

/// Scales each row to a mean square of one, then each column by a weight.
#[derive(Clone, Debug)]
pub(super) struct RmsNorm {
    weight: Tensor<2>,
    epsilon: f64,
}

impl RmsNorm {
    /// # Shapes
    ///
    /// - `weight`: `[1, d]`
    pub(super) fn new(weight: Tensor<2>, epsilon: f64) -> Self {
        Self { weight, epsilon }
    }

    /// # Shapes
    ///
    /// - `x`, output: `[rows, d]`
    pub(super) fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        ops::rms_norm(x, &self.weight, self.epsilon)
    }

    pub(super) fn each_parameter(&mut self, name: &str, visit: &mut Visit<'_>) {
        parameter::base(
            format!("{name}.weight"),
            Layout::Vector,
            &mut self.weight,
            visit,
        );
    }
}
