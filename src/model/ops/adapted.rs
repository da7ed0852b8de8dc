//! The inputs of products with an adapted weight.

use burn::tensor::Tensor;

/// A frozen weight `W` with a low-rank adapter `s·A·B`.
#[derive(Clone, Copy, Debug)]
pub(in crate::model) struct AdaptedWeight<'a> {
    /// `[in, out]`
    pub(in crate::model) weight: &'a Tensor<2>,
    /// `[in, r]`, 32-bit numbers
    pub(in crate::model) a: &'a Tensor<2>,
    /// `[r, out]`, 32-bit numbers
    pub(in crate::model) b: &'a Tensor<2>,
    /// `s`
    pub(in crate::model) scale: f64,
}
