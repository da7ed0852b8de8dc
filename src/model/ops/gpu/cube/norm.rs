//! The root-mean-square norm, alone or with the sum before it.

use burn::{
    backend::{Cube, ops::FloatTensorOps as _},
    tensor::DType,
};
use cubecl::prelude::*;

use crate::model::ops::graph::{Formula, Handle as _};

use super::{
    handle::OnDevice,
    launch::{cube, cubes, narrow, units_of_row},
    reduce,
};

/// See [`rms_norm`](crate::model::ops::rms_norm); of the rows and the weight.
#[derive(Clone, Debug)]
pub(super) struct RmsNorm {
    pub(super) epsilon: f32,
}

#[cube(launch)]
fn value<E: Float, N: Size>(
    x: &[Vector<E, N>],
    weight: &[Vector<E, N>],
    out: &mut [Vector<E, N>],
    rows: u32,
    width: u32,
    count: f32,
    epsilon: f32,
    #[comptime] units: usize,
    #[define(E)] _dtype: ElemType,
) {
    let (row, width) = (CUBE_POS, width as usize);
    if row >= rows as usize {
        terminate!();
    }
    let first = row * width;
    let mut squares = Vector::<f32, N>::new(0.0f32);
    let mut at = UNIT_POS as usize;
    while at < width {
        let one = Vector::<f32, N>::cast_from(x[first + at]);
        squares += one * one;
        at += units;
    }
    let total = reduce::sum(squares.vector_sum(), units);
    let scale = 1.0f32 / (total / count + epsilon).sqrt();
    let mut at = UNIT_POS as usize;
    while at < width {
        out[first + at] = scaled::<E, N>(x[first + at], weight[at], scale);
        at += units;
    }
}

/// As [`value`], of the sum of `x` and `change`, which is written, too.
#[cube(launch)]
fn value_of_sum<E: Float, N: Size>(
    x: &[Vector<E, N>],
    change: &[Vector<E, N>],
    weight: &[Vector<E, N>],
    sum: &mut [Vector<E, N>],
    out: &mut [Vector<E, N>],
    rows: u32,
    width: u32,
    count: f32,
    epsilon: f32,
    #[comptime] units: usize,
    #[define(E)] _dtype: ElemType,
) {
    let (row, width) = (CUBE_POS, width as usize);
    if row >= rows as usize {
        terminate!();
    }
    let first = row * width;
    let mut squares = Vector::<f32, N>::new(0.0f32);
    let mut at = UNIT_POS as usize;
    while at < width {
        let (old, new) = (x[first + at], change[first + at]);
        let both = Vector::<f32, N>::cast_from(old) + Vector::<f32, N>::cast_from(new);
        let both = Vector::<E, N>::cast_from(both);
        sum[first + at] = both;
        let one = Vector::<f32, N>::cast_from(both);
        squares += one * one;
        at += units;
    }
    let total = reduce::sum(squares.vector_sum(), units);
    let scale = 1.0f32 / (total / count + epsilon).sqrt();
    let mut at = UNIT_POS as usize;
    while at < width {
        out[first + at] = scaled::<E, N>(sum[first + at], weight[at], scale);
        at += units;
    }
}

/// Rounds to the type of the numbers where the plain formula does.
#[cube]
fn scaled<E: Float, N: Size>(x: Vector<E, N>, weight: Vector<E, N>, scale: f32) -> Vector<E, N> {
    let wide = Vector::<f32, N>::cast_from(x) * Vector::new(scale);
    let rounded = Vector::<f32, N>::cast_from(Vector::<E, N>::cast_from(wide));
    Vector::<E, N>::cast_from(rounded * Vector::<f32, N>::cast_from(weight))
}

// y = x·s·w with s = (mean x² + ε)^-½, so dx = s·(w·dy - x·s²·mean(w·dy·x)).
#[cube(launch)]
fn gradient_of_rows<E: Float, N: Size>(
    x: &[Vector<E, N>],
    weight: &[Vector<E, N>],
    gradient: &[Vector<E, N>],
    out: &mut [Vector<E, N>],
    rows: u32,
    width: u32,
    count: f32,
    epsilon: f32,
    #[comptime] units: usize,
    #[define(E)] _dtype: ElemType,
) {
    let (row, width) = (CUBE_POS, width as usize);
    if row >= rows as usize {
        terminate!();
    }
    let first = row * width;
    let mut squares = Vector::<f32, N>::new(0.0f32);
    let mut products = Vector::<f32, N>::new(0.0f32);
    let mut at = UNIT_POS as usize;
    while at < width {
        let one = Vector::<f32, N>::cast_from(x[first + at]);
        let slope = Vector::<f32, N>::cast_from(gradient[first + at])
            * Vector::<f32, N>::cast_from(weight[at]);
        squares += one * one;
        products += one * slope;
        at += units;
    }
    let total = reduce::sum(squares.vector_sum(), units);
    let product = reduce::sum(products.vector_sum(), units);
    let scale = 1.0f32 / (total / count + epsilon).sqrt();
    let shift = product / count * scale * scale;
    let mut at = UNIT_POS as usize;
    while at < width {
        let one = Vector::<f32, N>::cast_from(x[first + at]);
        let slope = Vector::<f32, N>::cast_from(gradient[first + at])
            * Vector::<f32, N>::cast_from(weight[at]);
        let moved = (slope - one * Vector::new(shift)) * Vector::new(scale);
        out[first + at] = Vector::<E, N>::cast_from(moved);
        at += units;
    }
}

/// The share of each row in the gradient of the weight, `dy·x·s`.
#[cube(launch)]
fn shares_of_weight<E: Float, N: Size>(
    x: &[Vector<E, N>],
    gradient: &[Vector<E, N>],
    out: &mut [Vector<f32, N>],
    rows: u32,
    width: u32,
    count: f32,
    epsilon: f32,
    #[comptime] units: usize,
    #[define(E)] _dtype: ElemType,
) {
    let (row, width) = (CUBE_POS, width as usize);
    if row >= rows as usize {
        terminate!();
    }
    let first = row * width;
    let mut squares = Vector::<f32, N>::new(0.0f32);
    let mut at = UNIT_POS as usize;
    while at < width {
        let one = Vector::<f32, N>::cast_from(x[first + at]);
        squares += one * one;
        at += units;
    }
    let total = reduce::sum(squares.vector_sum(), units);
    let scale = 1.0f32 / (total / count + epsilon).sqrt();
    let mut at = UNIT_POS as usize;
    while at < width {
        out[first + at] = Vector::<f32, N>::cast_from(x[first + at])
            * Vector::<f32, N>::cast_from(gradient[first + at])
            * Vector::new(scale);
        at += units;
    }
}

/// The sizes of a launch over the rows of a tensor.
struct Sizes {
    rows: usize,
    /// Numbers that a unit reads at once.
    vector: usize,
    /// Vectors in a row.
    width: usize,
    units: usize,
    /// Numbers in a row.
    count: f32,
}

impl Sizes {
    #[expect(
        clippy::cast_possible_truncation,
        reason = "a row has less than 2²⁴ numbers"
    )]
    fn of(x: &OnDevice, vector: usize) -> Self {
        let d = x.width();
        let width = d / vector;
        Self {
            rows: x.count() / d,
            vector,
            width,
            units: units_of_row(width),
            count: d as f64 as f32,
        }
    }
}

/// The sum of `x` and `change`, and its norm.
pub(super) fn sum_and_norm(epsilon: f32, [x, change, weight]: [&OnDevice; 3]) -> [OnDevice; 2] {
    let (sum, out) = (x.fresh_like(), x.fresh_like());
    let sizes = Sizes::of(x, x.vector(x.width()));
    value_of_sum::launch(
        &x.client(),
        cubes(sizes.rows),
        cube(sizes.units),
        sizes.vector,
        x.arg(),
        change.arg(),
        weight.arg(),
        sum.arg(),
        out.arg(),
        narrow(sizes.rows),
        narrow(sizes.width),
        sizes.count,
        epsilon,
        sizes.units,
        x.element(),
    );
    [sum, out]
}

impl RmsNorm {
    fn of_rows(&self, [x, weight, gradient]: [&OnDevice; 3]) -> OnDevice {
        let out = x.fresh_like();
        let sizes = Sizes::of(x, x.vector(x.width()));
        gradient_of_rows::launch(
            &x.client(),
            cubes(sizes.rows),
            cube(sizes.units),
            sizes.vector,
            x.arg(),
            weight.arg(),
            gradient.arg(),
            out.arg(),
            narrow(sizes.rows),
            narrow(sizes.width),
            sizes.count,
            self.epsilon,
            sizes.units,
            x.element(),
        );
        out
    }

    fn of_weight(&self, [x, weight, gradient]: [&OnDevice; 3]) -> OnDevice {
        let d = x.width();
        let shares = x.fresh([x.count() / d, d], DType::F32);
        let sizes = Sizes::of(x, x.vector(d).min(shares.vector(d)));
        shares_of_weight::launch(
            &x.client(),
            cubes(sizes.rows),
            cube(sizes.units),
            sizes.vector,
            x.arg(),
            gradient.arg(),
            shares.arg(),
            narrow(sizes.rows),
            narrow(sizes.width),
            sizes.count,
            self.epsilon,
            sizes.units,
            x.element(),
        );
        let sum = Cube::float_sum_dim(shares.primitive(), 0);
        OnDevice::from_primitive(Cube::float_cast(sum, weight.dtype().into()))
    }
}

impl Formula<OnDevice, 2> for RmsNorm {
    fn value(&self, [x, weight]: [&OnDevice; 2]) -> OnDevice {
        let out = x.fresh_like();
        let sizes = Sizes::of(x, x.vector(x.width()));
        value::launch(
            &x.client(),
            cubes(sizes.rows),
            cube(sizes.units),
            sizes.vector,
            x.arg(),
            weight.arg(),
            out.arg(),
            narrow(sizes.rows),
            narrow(sizes.width),
            sizes.count,
            self.epsilon,
            sizes.units,
            x.element(),
        );
        out
    }

    fn gradients(
        &self,
        [x, weight]: [&OnDevice; 2],
        gradient: &OnDevice,
        is_wanted: [bool; 2],
    ) -> [Option<OnDevice>; 2] {
        [
            is_wanted[0].then(|| self.of_rows([x, weight, gradient])),
            is_wanted[1].then(|| self.of_weight([x, weight, gradient])),
        ]
    }
}
