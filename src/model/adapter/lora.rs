//! Low-rank adaptation (arXiv 2106.09685) as a path parallel to the weight.

use burn::tensor::{DType, Device, Tensor, TensorData};

use crate::model::settings::AdapterSettings;

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
        let low_rank = self.low_rank(dropped.unwrap_or_else(|| x.clone()));
        x.matmul(weight.clone()) + low_rank
    }

    /// `s·x·A·B`, in the type of `x`.
    pub(super) fn low_rank(&self, x: Tensor<2>) -> Tensor<2> {
        let dtype = x.dtype();
        let narrow = x
            .cast(DType::F32)
            .matmul(self.a.clone())
            .mul_scalar(self.scale);
        narrow.matmul(self.b.clone()).cast(dtype)
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
