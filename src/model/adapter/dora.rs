//! Weight-decomposed low-rank adaptation (arXiv 2402.09353).

use burn::tensor::{DType, Tensor};

use crate::model::ops;

use super::lora::Lora;

/// Each output of a [`Lora`], scaled to a trained magnitude.
#[derive(Clone, Debug)]
pub(in crate::model) struct Dora {
    pub(super) lora: Lora,
    /// `m`, the magnitude of each output, `[1, out]`.
    pub(super) magnitude: Tensor<2>,
    /// `n`, the norm of each output's weights in `W + s·A·B`, `[1, out]`.
    ///
    /// A constant during a step (§4.3 of the paper): it is computed once after each update, not in
    /// each pass.
    norm: Tensor<2>,
}

impl Dora {
    /// The adapter with the magnitudes of the weight, so that the output does not change yet.
    pub(super) fn new(lora: Lora, weight: &Tensor<2>) -> Self {
        let norm = norm(&lora, weight);
        Self {
            lora,
            magnitude: norm.clone(),
            norm,
        }
    }

    /// `x·W + (m/n - 1)·x'·W + (m/n)·s·x'·A·B`, where `x'` is `x` with elements dropped.
    pub(super) fn forward(
        &self,
        x: Tensor<2>,
        dropped: Option<Tensor<2>>,
        weight: &Tensor<2>,
    ) -> Tensor<2> {
        let ratio = self.magnitude.clone() / self.norm.clone();
        ops::dora_product(x, dropped, &self.lora.adapted(weight), ratio)
    }

    /// `(m/n)·(W + s·A·B)`
    pub(super) fn merged(&self, weight: &Tensor<2>) -> Tensor<2> {
        let ratio = self.magnitude.clone().inner() / self.norm.clone();
        let direction = weight.clone().inner().cast(DType::F32) + self.lora.delta();
        (direction * ratio).cast(weight.dtype())
    }

    pub(super) fn refresh(&mut self, weight: &Tensor<2>) {
        self.norm = norm(&self.lora, weight);
    }
}

/// The norm of each column of `W + s·A·B`.
fn norm(lora: &Lora, weight: &Tensor<2>) -> Tensor<2> {
    let direction = weight.clone().inner().cast(DType::F32) + lora.delta();
    direction.square().sum_dim(0).sqrt()
}
