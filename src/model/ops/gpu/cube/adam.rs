//! A step of Adam in one pass over the numbers.

use burn::tensor::DType;
use cubecl::prelude::*;

use crate::model::{ops::adam_step::AdamStep, rounding::to_f32};

use super::{
    handle::OnDevice,
    launch::{narrow, units},
};

/// The numbers of a step, rounded to 32 bits, in the order of [`Factors::of`].
#[derive(CubeType, CubeLaunch, Clone, Copy)]
struct Factors {
    clip: f32,
    first_decay: f32,
    first_rest: f32,
    second_decay: f32,
    second_rest: f32,
    root_bias: f32,
    epsilon: f32,
    decay: f32,
    rate: f32,
}

#[cube(launch)]
fn step<E: Float, G: Float, N: Size>(
    parameter: &[Vector<E, N>],
    gradient: &[Vector<G, N>],
    old_first: &[Vector<f32, N>],
    old_second: &[Vector<f32, N>],
    new: &mut [Vector<E, N>],
    first: &mut [Vector<f32, N>],
    second: &mut [Vector<f32, N>],
    factors: &Factors,
    count: u32,
    #[define(E, G)] _dtypes: [ElemType; 2],
) {
    let at = ABSOLUTE_POS;
    if at >= count as usize {
        terminate!();
    }
    let slope = Vector::<f32, N>::cast_from(gradient[at]) * Vector::new(factors.clip);
    let mean =
        old_first[at] * Vector::new(factors.first_decay) + slope * Vector::new(factors.first_rest);
    let square = old_second[at] * Vector::new(factors.second_decay)
        + slope * slope * Vector::new(factors.second_rest);
    first[at] = mean;
    second[at] = square;
    let divisor = square.sqrt() / Vector::new(factors.root_bias) + Vector::new(factors.epsilon);
    let old = Vector::<f32, N>::cast_from(parameter[at]) * Vector::new(factors.decay);
    new[at] = Vector::<E, N>::cast_from(old - mean / divisor * Vector::new(factors.rate));
}

/// See [`adam_step`](crate::model::ops::adam_step).
pub(super) fn adam_step(
    numbers: &AdamStep,
    [parameter, gradient]: [&OnDevice; 2],
    moments: Option<[&OnDevice; 2]>,
    shape: [usize; 2],
) -> [OnDevice; 3] {
    let new = parameter.fresh_like();
    let [first, second] = [(); 2].map(|()| parameter.fresh(shape, DType::F32));
    let zeros = first.zeros();
    let [old_first, old_second] = moments.unwrap_or([&zeros, &zeros]);
    // Moments have 32 bits.
    let vector = first.vector(first.count());
    let count = first.count() / vector;
    let (cubes, cube) = units(count);
    step::launch(
        &parameter.client(),
        cubes,
        cube,
        vector,
        parameter.arg(),
        gradient.arg(),
        old_first.arg(),
        old_second.arg(),
        new.arg(),
        first.arg(),
        second.arg(),
        FactorsLaunch::new(
            to_f32(numbers.clip),
            to_f32(numbers.first[0]),
            to_f32(numbers.first[1]),
            to_f32(numbers.second[0]),
            to_f32(numbers.second[1]),
            to_f32(numbers.root_bias),
            to_f32(numbers.epsilon),
            to_f32(numbers.decay.unwrap_or(1.0)),
            to_f32(numbers.rate),
        ),
        narrow(count),
        [parameter.element(), gradient.element()],
    );
    [new, first, second]
}
