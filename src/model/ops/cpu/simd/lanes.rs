//! Loops over the lanes of the processor's vectors.

use pulp::Simd;

/// Partial sums of a row: a fixed number, so that the width of the vectors does not change the
/// digits.
pub(in crate::model::ops::cpu) const SUMS: usize = 16;

/// `a · b + c`, rounded once where the processor can.
///
/// Without such an instruction, rounding once would mean a call for each element.
#[inline(always)]
pub(in crate::model::ops::cpu) fn multiply_add<S: Simd>(
    simd: S,
    a: S::f32s,
    b: S::f32s,
    c: S::f32s,
) -> S::f32s {
    if S::IS_SCALAR {
        simd.add_f32s(simd.mul_f32s(a, b), c)
    } else {
        simd.mul_add_f32s(a, b, c)
    }
}

/// As [`multiply_add`], of single numbers, with the same rounding.
#[inline(always)]
pub(in crate::model::ops::cpu) fn multiply_add_one<S: Simd>(_: S, a: f32, b: f32, c: f32) -> f32 {
    if S::IS_SCALAR {
        a * b + c
    } else {
        a.mul_add(b, c)
    }
}

/// Adds a weighted sum of the `K` rows of `w` to each of two outputs, one row after the other.
// Plain loops throughout: a closure may be compiled apart, without the processor's vectors.
#[inline(always)]
pub(in crate::model::ops::cpu) fn axpy_pair<S: Simd, const K: usize>(
    simd: S,
    out: [&mut [f32]; 2],
    x: [[f32; K]; 2],
    w: [&[f32]; K],
) {
    let [first, second] = out;
    let width = first.len();
    let whole = width / S::F32_LANES * S::F32_LANES;
    let rows = vectors::<S, K>(w, whole);
    let factors = [splat(simd, x[0]), splat(simd, x[1])];
    let (first, first_tail) = first.split_at_mut(whole);
    let (second, second_tail) = second[..width].split_at_mut(whole);
    let first = S::as_mut_simd_f32s(first).0;
    let second = &mut S::as_mut_simd_f32s(second).0[..first.len()];
    for at in 0..first.len() {
        let mut sums = [first[at], second[at]];
        for i in 0..K {
            let w = rows[i][at];
            sums[0] = multiply_add(simd, factors[0][i], w, sums[0]);
            sums[1] = multiply_add(simd, factors[1][i], w, sums[1]);
        }
        first[at] = sums[0];
        second[at] = sums[1];
    }
    tail(simd, first_tail, x[0], w, whole);
    tail(simd, second_tail, x[1], w, whole);
}

/// As [`axpy_pair`], of one output.
#[inline(always)]
pub(in crate::model::ops::cpu) fn axpy<S: Simd, const K: usize>(
    simd: S,
    out: &mut [f32],
    x: [f32; K],
    w: [&[f32]; K],
) {
    let whole = out.len() / S::F32_LANES * S::F32_LANES;
    let rows = vectors::<S, K>(w, whole);
    let factors = splat(simd, x);
    let (out, rest) = out.split_at_mut(whole);
    let out = S::as_mut_simd_f32s(out).0;
    for at in 0..out.len() {
        let mut sum = out[at];
        for i in 0..K {
            sum = multiply_add(simd, factors[i], rows[i][at], sum);
        }
        out[at] = sum;
    }
    tail(simd, rest, x, w, whole);
}

#[inline(always)]
fn vectors<S: Simd, const K: usize>(w: [&[f32]; K], whole: usize) -> [&[S::f32s]; K] {
    let mut rows: [&[S::f32s]; K] = [&[]; K];
    for i in 0..K {
        rows[i] = &S::as_simd_f32s(&w[i][..whole]).0[..whole / S::F32_LANES];
    }
    rows
}

#[inline(always)]
fn splat<S: Simd, const K: usize>(simd: S, x: [f32; K]) -> [S::f32s; K] {
    let mut factors = [simd.splat_f32s(0.0); K];
    for i in 0..K {
        factors[i] = simd.splat_f32s(x[i]);
    }
    factors
}

/// The elements that do not fill a vector.
#[inline(always)]
fn tail<S: Simd, const K: usize>(
    simd: S,
    out: &mut [f32],
    x: [f32; K],
    w: [&[f32]; K],
    first: usize,
) {
    for at in 0..out.len() {
        for i in 0..K {
            out[at] = multiply_add_one(simd, x[i], w[i][first + at], out[at]);
        }
    }
}

/// The sum of partial sums: the halves are added until one number is left.
#[inline(always)]
pub(in crate::model::ops::cpu) fn joined(mut sums: [f32; SUMS]) -> f32 {
    let mut half = SUMS / 2;
    while half > 0 {
        for i in 0..half {
            sums[i] += sums[i + half];
        }
        half /= 2;
    }
    sums[0]
}
