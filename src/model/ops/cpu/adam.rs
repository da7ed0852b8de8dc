//! A step of Adam's in one pass over the numbers.

use burn::tensor::Tensor;
use rayon::prelude::*;

use super::host::{Host, tensor};

/// The numbers of a step that all parameters share.
#[derive(Clone, Copy, Debug)]
pub struct AdamStep {
    /// What gradients are multiplied by first.
    pub clip: f32,
    /// Decay of the first moment, and 1 less it.
    pub first: [f32; 2],
    /// Decay of the second moment, and 1 less it.
    pub second: [f32; 2],
    /// Divides the root of the second moment.
    pub root_bias: f32,
    /// Added to that.
    pub epsilon: f32,
    /// What the parameter is multiplied by before its step, if there is weight decay.
    pub decay: Option<f32>,
    /// What the quotient of the moments is multiplied by.
    pub rate: f32,
}

/// Numbers that a thread takes at a time: all seven arrays of them fit its cache.
const STRIP: usize = 1 << 13;

/// The parameter and both moments after a step, to the bit what the same formula gives operation by
/// operation; without moments they begin at 0.
///
/// None, if one of the tensors is not the processor's, or not of 32 bits.
///
/// # Shapes
///
/// - all: those of the parameter
pub fn adam_step(
    step: &AdamStep,
    parameter: &Tensor<2>,
    gradient: &Tensor<2>,
    moments: Option<[&Tensor<2>; 2]>,
) -> Option<[Tensor<2>; 3]> {
    let shape = parameter.dims();
    let (parameter, gradient) = (Host::of(parameter)?, Host::of(gradient)?);
    let (parameter, gradient) = (parameter.rows(), gradient.rows());
    let old = match moments {
        Some([first, second]) => Some([Host::of(first)?, Host::of(second)?]),
        None => None,
    };
    let old = old
        .as_ref()
        .map(|[first, second]| [first.rows(), second.rows()]);
    let count = parameter.len();
    let [mut new, mut first, mut second] = [(); 3].map(|()| vec![0.0_f32; count]);
    let strips = new
        .par_chunks_mut(STRIP)
        .zip(first.par_chunks_mut(STRIP))
        .zip(second.par_chunks_mut(STRIP));
    strips
        .enumerate()
        .for_each(|(index, ((new, first), second))| {
            let range = index * STRIP..index * STRIP + new.len();
            let (parameter, gradient) = (&parameter[range.clone()], &gradient[range.clone()]);
            let old = old
                .as_ref()
                .map(|old| [&old[0][range.clone()], &old[1][range.clone()]]);
            strip(step, [parameter, gradient], old, [new, first, second]);
        });
    Some([new, first, second].map(|values| tensor(values, shape)))
}

/// Every product and sum rounds by itself, in the order of the formula.
fn strip(
    step: &AdamStep,
    [parameter, gradient]: [&[f32]; 2],
    old: Option<[&[f32]; 2]>,
    [new, first, second]: [&mut [f32]; 3],
) {
    for index in 0..new.len() {
        let gradient = gradient[index] * step.clip;
        let fresh = [
            gradient * step.first[1],
            gradient * gradient * step.second[1],
        ];
        let moved = match old {
            Some(old) => [
                old[0][index] * step.first[0] + fresh[0],
                old[1][index] * step.second[0] + fresh[1],
            ],
            None => fresh,
        };
        first[index] = moved[0];
        second[index] = moved[1];
        let divisor = moved[1].sqrt() / step.root_bias + step.epsilon;
        let decayed = match step.decay {
            Some(decay) => parameter[index] * decay,
            None => parameter[index],
        };
        new[index] = decayed - moved[0] / divisor * step.rate;
    }
}
