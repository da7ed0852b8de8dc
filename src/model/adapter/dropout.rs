//! Dropout of an adapter's input.

use burn::tensor::{DType, Tensor, TensorData};

use crate::{model::rounding::to_f32, seed::Stream};

/// The random numbers of one training pass's dropout.
///
/// They are drawn on the host, so that a pass repeats exactly on every backend.
#[derive(Clone, Debug)]
pub struct Dropout(Stream);

impl Dropout {
    /// Draws from `stream`.
    pub fn new(stream: Stream) -> Self {
        Self(stream)
    }

    /// Sets each element to 0 with a probability and scales the others up; none if nothing is
    /// dropped.
    pub(super) fn apply(&mut self, x: &Tensor<2>, probability: f64) -> Option<Tensor<2>> {
        if probability <= 0.0 {
            return None;
        }
        let [rows, width] = x.dims();
        let kept = to_f32(1.0 / (1.0 - probability));
        let mask: Vec<f32> = (0..rows * width)
            .map(|_| {
                if self.0.uniform() < probability {
                    0.0
                } else {
                    kept
                }
            })
            .collect();
        let device = x.device().inner();
        let mask =
            Tensor::<2>::from_data(TensorData::new(mask, [rows, width]), (&device, DType::F32));
        Some(x.clone() * mask.cast(x.dtype()))
    }
}
