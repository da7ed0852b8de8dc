//! Dropout of an adapter's input.

use burn::tensor::{DType, IndexingUpdateOp, Tensor, TensorData};

use crate::{
    model::{kernel, rounding::to_f32, token_batch::indices},
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

    /// Sets each element to 0 with a probability and scales the others up; none if nothing is
    /// dropped.
    pub(super) fn apply(&mut self, x: &Tensor<2>, probability: f64) -> Option<Tensor<2>> {
        if probability <= 0.0 {
            return None;
        }
        let [rows, width] = x.dims();
        let kept = to_f32(1.0 / (1.0 - probability));
        let places = self.places(rows * width, probability);
        let device = x.device().inner();
        let options = (&device, DType::F32);
        let mask = if kernel::is_on_processor(x) {
            let mut mask = vec![kept; rows * width];
            for place in places {
                mask[place] = 0.0;
            }
            Tensor::from_data(TensorData::new(mask, [rows, width]), options)
        } else {
            // A mask is as large as the input: only the places travel.
            let mask = Tensor::<1>::full([rows * width], kept, options);
            let minus = Tensor::<1>::full([places.len()], -kept, options);
            let places = indices(places.iter().map(|place| *place as i64), &device);
            mask.select_assign(0, places, minus, IndexingUpdateOp::Add)
                .reshape([rows, width])
        };
        Some(x.clone() * mask.cast(x.dtype()))
    }

    /// Which of `count` elements are dropped, in ascending order.
    ///
    /// The number of elements before the next that is dropped has a geometric distribution, so that
    /// one random number is drawn for each of these, and none for those that stay.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a distance is not negative, and one beyond all elements may be cut"
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
