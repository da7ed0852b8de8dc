//! Low-rank adaptation (arXiv 2106.09685) as a path parallel to the weight.

use burn::tensor::{DType, Device, Tensor, TensorData};

use crate::model::{
    ops::{self, AdaptedWeight},
    settings::AdapterSettings,
};

/// `x·W + s·x·A·B`, `s = alpha / r`.
#[derive(Clone, Debug)]
pub(in crate::model) struct Lora {
    /// `[in, r]`
    pub(super) a: Tensor<2>,
    /// `[r, out]`
    pub(super) b: Tensor<2>,
    /// `alpha / r`
    pub(super) scale: f64,
    /// The probability of dropping an element of the input in training.
    pub(super) dropout: f64,
}

impl Lora {
    /// # Shapes
    ///
    /// - `a`: `[in, r]`, row after row
    /// - `weight`: `[in, out]`
    pub(super) fn new(settings: &AdapterSettings, a: Vec<f32>, weight: &Tensor<2>) -> Self {
        let [width, out] = weight.dims();
        let device = weight.device().inner();
        Self {
            a: tensor(a, [width, settings.r], &device),
            b: Tensor::zeros([settings.r, out], (&device, DType::F32)),
            scale: settings.alpha / settings.r as f64,
            dropout: settings.dropout,
        }
    }

    pub(super) fn forward(
        &self,
        x: Tensor<2>,
        dropped: Option<Tensor<2>>,
        weight: &Tensor<2>,
    ) -> Tensor<2> {
        ops::lora_product(x, dropped, &self.adapted(weight))
    }

    /// A weight with this adapter.
    pub(super) fn adapted<'a>(&'a self, weight: &'a Tensor<2>) -> AdaptedWeight<'a> {
        AdaptedWeight {
            weight,
            a: &self.a,
            b: &self.b,
            scale: self.scale,
        }
    }

    /// `W + s·A·B`, rounded once.
    pub(super) fn merged(&self, weight: &Tensor<2>) -> Tensor<2> {
        let sum = weight.clone().inner().cast(DType::F32) + self.delta();
        sum.cast(weight.dtype())
    }

    /// `s·A·B`, without a gradient.
    pub(super) fn delta(&self) -> Tensor<2> {
        self.a
            .clone()
            .inner()
            .mul_scalar(self.scale)
            .matmul(self.b.clone().inner())
    }
}

/// A tensor of 32 bits: adapters are trained in 32 bits, whatever the type of the weights.
pub(super) fn tensor(values: Vec<f32>, shape: [usize; 2], device: &Device) -> Tensor<2> {
    Tensor::from_data(TensorData::new(values, shape), (device, DType::F32))
}
