//! A step of Adam in one pass over the numbers.

use burn::tensor::Tensor;
use rayon::prelude::*;

use crate::model::{
    ops::{adam_step::AdamStep, fallback::Declined, graph::each},
    rounding::to_f32,
};

use super::host::{Host, tensor};

/// Numbers that a thread takes at a time: as many of all seven arrays fit its cache.
const STRIP: usize = 1 << 13;

/// The numbers of a step, rounded to 32 bits.
struct Factors {
    clip: f32,
    first: [f32; 2],
    second: [f32; 2],
    root_bias: f32,
    epsilon: f32,
    decay: Option<f32>,
    rate: f32,
}

impl Factors {
    fn of(step: &AdamStep) -> Self {
        Self {
            clip: to_f32(step.clip),
            first: step.first.map(to_f32),
            second: step.second.map(to_f32),
            root_bias: to_f32(step.root_bias),
            epsilon: to_f32(step.epsilon),
            decay: step.decay.map(to_f32),
            rate: to_f32(step.rate),
        }
    }
}

/// See [`adam_step`](crate::model::ops::adam_step); with the bits of the plain formula.
pub(in crate::model::ops) fn adam_step(
    step: &AdamStep,
    parameter: &Tensor<2>,
    gradient: &Tensor<2>,
    moments: Option<&[Tensor<2>; 2]>,
) -> Result<[Tensor<2>; 3], Declined> {
    let (shape, factors) = (parameter.dims(), Factors::of(step));
    let (parameter, gradient) = (Host::of(parameter)?, Host::of(gradient)?);
    let (parameter, gradient) = (parameter.rows(), gradient.rows());
    let old = moments
        .map(|moments| each(moments.each_ref(), Host::of))
        .transpose()?;
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
            strip(&factors, [parameter, gradient], old, [new, first, second]);
        });
    Ok([new, first, second].map(|values| tensor(values, shape)))
}

/// Every product and sum is rounded by itself, in the order of the formula.
fn strip(
    step: &Factors,
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
