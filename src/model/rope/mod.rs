//! Rotary position embedding (arXiv 2104.09864), in the half-split form of the Hugging Face models.

use burn::tensor::{DType, Device, Int, Tensor, TensorData};

use super::{DecoderConfig, kernel, rounding::to_f32};

/// Cosines and sines of every position.
#[derive(Clone, Debug)]
pub(super) struct Rope {
    cos: Tensor<2>,
    sin: Tensor<2>,
}

/// The rotations of the tokens of one pass.
#[derive(Debug)]
pub(super) struct Rotation {
    cos: Tensor<4>,
    sin: Tensor<4>,
}

impl Rope {
    pub(super) fn new(config: &DecoderConfig, device: &Device) -> Self {
        let half = config.head_dim / 2;
        let angle = |index: usize| {
            let (position, pair) = (index / half, index % half);
            position as f64 / config.rope_theta.powf(pair as f64 / half as f64)
        };
        let count = config.max_position_embeddings * half;
        let table = |function: fn(f64) -> f64| {
            let values: Vec<f32> = (0..count)
                .map(|index| to_f32(function(angle(index))))
                .collect();
            let shape = [config.max_position_embeddings, half];
            Tensor::from_data(TensorData::new(values, shape), (device, DType::F32))
        };
        Self {
            cos: table(f64::cos),
            sin: table(f64::sin),
        }
    }

    /// Looks up the rotations of `positions`.
    ///
    /// # Shapes
    ///
    /// - `positions`: `[batch · time]`
    pub(super) fn rotation(
        &self,
        positions: &Tensor<1, Int>,
        [batch, time]: [usize; 2],
        dtype: DType,
    ) -> Rotation {
        let half = self.cos.dims()[1];
        let rows = |table: &Tensor<2>| {
            let rows = table.clone().select(0, positions.clone());
            rows.reshape([batch, time, 1, half]).cast(dtype)
        };
        Rotation {
            cos: rows(&self.cos),
            sin: rows(&self.sin),
        }
    }
}

impl Rotation {
    /// Rotates each pair of `x`, whose members lie half a head apart.
    ///
    /// # Shapes
    ///
    /// - `x`, output: `[batch, time, heads, head_dim]`
    pub(super) fn apply(&self, x: Tensor<4>) -> Tensor<4> {
        if let Some(rotated) = kernel::rotate(&x, &self.cos, &self.sin) {
            return rotated;
        }
        let half = x.dims()[3] / 2;
        let (first, second) = (x.clone().narrow(3, 0, half), x.narrow(3, half, half));
        let (cos, sin) = (self.cos.clone(), self.sin.clone());
        let rotated = first.clone() * cos.clone() - second.clone() * sin.clone();
        Tensor::cat(vec![rotated, second * cos + first * sin], 3)
    }
}
