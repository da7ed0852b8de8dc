//! Sums of values, weighted by the attention that each query pays to them.

use std::array;

use pulp::Simd;

use crate::model::ops::cpu::simd::lanes::{axpy, multiply_add};

/// Vectors of a row of values that stay in registers.
const VECTORS: usize = 4;

/// Computes the weighted sums of the rows of `values`, `R` sums at a time, also of different times.
///
/// A sum may have fewer weights than there are values, but no fewer than the sum before it.
#[inline(always)]
pub(super) fn weighted_sums<S: Simd, const R: usize>(
    simd: S,
    weights: &[&mut [f32]],
    values: &[f32],
    out: &mut [&mut [f32]],
) {
    for (weights, out) in weights.chunks(R).zip(out.chunks_mut(R)) {
        if let (Some(weights), Some(out)) = (weights.as_array(), out.as_mut_array()) {
            at_once::<S, R>(simd, weights, values, out);
        } else if R > 2 {
            weighted_sums::<S, 2>(simd, weights, values, out);
        } else if let ([weights], [out]) = (weights, out) {
            at_once::<S, 1>(simd, array::from_ref(weights), values, array::from_mut(out));
        }
    }
}

#[inline(always)]
fn at_once<S: Simd, const R: usize>(
    simd: S,
    weights: &[&mut [f32]; R],
    values: &[f32],
    out: &mut [&mut [f32]; R],
) {
    let d = out[0].len();
    // The first sum has the fewest weights.
    let shared = weights[0].len();
    let across = VECTORS * S::F32_LANES;
    let whole = d / across * across;
    for at in (0..whole).step_by(across) {
        let mut sums = [[simd.splat_f32s(0.0); VECTORS]; R];
        let mut factors: [&[f32]; R] = [&[]; R];
        for row in 0..R {
            factors[row] = &weights[row][..shared];
        }
        for (i, value) in (0..shared).zip(values.chunks_exact(d)) {
            let value = load::<S>(&value[at..at + across]);
            for row in 0..R {
                let factor = simd.splat_f32s(factors[row][i]);
                for vector in 0..VECTORS {
                    sums[row][vector] =
                        multiply_add(simd, factor, value[vector], sums[row][vector]);
                }
            }
        }
        for row in 0..R {
            for (i, factor) in weights[row].iter().enumerate().skip(shared) {
                let value = load::<S>(&values[i * d + at..i * d + at + across]);
                let factor = simd.splat_f32s(*factor);
                for vector in 0..VECTORS {
                    sums[row][vector] =
                        multiply_add(simd, factor, value[vector], sums[row][vector]);
                }
            }
            S::as_mut_simd_f32s(&mut out[row][at..at + across])
                .0
                .copy_from_slice(&sums[row]);
        }
    }
    if whole < d {
        for row in 0..R {
            for (factor, value) in weights[row].iter().zip(values.chunks_exact(d)) {
                axpy(simd, &mut out[row][whole..], [*factor], [&value[whole..]]);
            }
        }
    }
}

#[inline(always)]
fn load<S: Simd>(part: &[f32]) -> [S::f32s; VECTORS] {
    let mut vectors = [S::as_simd_f32s(part).0[0]; VECTORS];
    vectors.copy_from_slice(&S::as_simd_f32s(part).0[..VECTORS]);
    vectors
}
