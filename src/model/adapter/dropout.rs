//! Dropout of the input of an adapter.

use burn::tensor::{DType, IndexingUpdateOp, Tensor, TensorData};

use crate::{
    model::{engine::Engine, rounding::to_f32, token_batch::indices},
    seed::Stream,
};

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

    /// Sets each element to 0 with a probability and scales the others up; none if the probability
    /// is 0.
    pub(super) fn apply(&mut self, x: &Tensor<2>, probability: f64) -> Option<Tensor<2>> {
        if probability <= 0.0 {
            return None;
        }
        let [rows, width] = x.dims();
        let kept = to_f32(1.0 / (1.0 - probability));
        let places = self.places(rows * width, probability);
        let device = x.device().inner();
        let options = (&device, DType::F32);
        let mask = if Engine::of_tensor(x).makes_masks_on_host() {
            let mut mask = vec![kept; rows * width];
            for place in places {
                mask[place] = 0.0;
            }
            Tensor::from_data(TensorData::new(mask, [rows, width]), options)
        } else {
            // A mask is as large as the input, so that only the dropped places are copied to the
            // device.
            let mask = Tensor::<1>::full([rows * width], kept, options);
            let minus = Tensor::<1>::full([places.len()], -kept, options);
            let places = indices(places.iter().map(|place| *place as i64), &device);
            mask.select_assign(0, places, minus, IndexingUpdateOp::Add)
                .reshape([rows, width])
        };
        Some(x.clone() * mask.cast(x.dtype()))
    }

    /// Takes the random numbers that [`Self::apply`] would take for `count` elements.
    pub(in crate::model) fn skip(&mut self, count: usize, probability: f64) {
        if probability > 0.0 {
            self.places(count, probability);
        }
    }

    /// Which of `count` elements are dropped, in ascending order.
    ///
    /// The distance to the next dropped element has a geometric distribution. So one random number
    /// is drawn for each element that is dropped, and none for the others.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a distance is not negative, and may be cut if it is beyond all elements"
    )]
    fn places(&mut self, count: usize, probability: f64) -> Vec<usize> {
        let scale = (-probability).ln_1p().recip();
        let mut places = Vec::with_capacity((count as f64 * probability * 1.1) as usize);
        let mut next = 0_usize;
        loop {
            // In (0, 1]: the logarithm is finite.
            let distance = ((1.0 - self.0.uniform()).ln() * scale) as usize;
            next = next.saturating_add(distance);
            if next >= count {
                return places;
            }
            places.push(next);
            next += 1;
        }
    }
}
