//! Root-mean-square normalisation (arXiv 1910.07467).

use burn::tensor::Tensor;

use super::{
    config::DecoderConfig,
    ops,
    parameter::{self, Layout, ParameterValues, Visit},
};

/// Scales each row to a mean square of one, then each column by a weight.
#[derive(Clone, Debug)]
pub(super) struct RmsNorm {
    weight: Tensor<2>,
    epsilon: f64,
}

impl RmsNorm {
    /// Builds the norm `name` of the checkpoint.
    pub(super) fn build(config: &DecoderConfig, name: &str, values: &mut ParameterValues) -> Self {
        let weight = values.take(&parameter::weight(name));
        let epsilon = config.rms_norm_eps;
        Self { weight, epsilon }
    }

    /// Builds the norm `name` of the checkpoint, if the list of parameters has it.
    pub(super) fn build_if_listed(
        config: &DecoderConfig,
        name: &str,
        values: &mut ParameterValues,
    ) -> Option<Self> {
        let weight = values.take_if_listed(&parameter::weight(name))?;
        let epsilon = config.rms_norm_eps;
        Some(Self { weight, epsilon })
    }

    /// Normalises each head on its own.
    ///
    /// # Shapes
    ///
    /// - `x`, output: `[rows, heads · d]`
    pub(super) fn forward_heads(&self, x: Tensor<2>) -> Tensor<2> {
        let ([rows, width], d) = (x.dims(), self.weight.dims()[1]);
        let heads = x.reshape([rows * width / d, d]);
        self.forward(heads).reshape([rows, width])
    }

    /// # Shapes
    ///
    /// - `x`, output: `[rows, d]`
    pub(super) fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        ops::rms_norm(x, &self.weight, self.epsilon)
    }

    /// The sum of `x` and `change`, and its norm.
    ///
    /// # Shapes
    ///
    /// - `x`, `change`, outputs: `[rows, d]`
    pub(super) fn forward_sum(&self, x: Tensor<2>, change: Tensor<2>) -> [Tensor<2>; 2] {
        ops::sum_and_norm(x, change, &self.weight, self.epsilon)
    }

    pub(super) fn each_parameter(&mut self, name: &str, visit: &mut Visit<'_>) {
        let name = parameter::weight(name);
        parameter::base(name, Layout::Vector, &mut self.weight, visit);
    }
}
