//! Softmax of one row.

use pulp::Simd;

use crate::model::ops::cpu::simd::lanes::{SUMS, joined};

use super::exponential::exp;

/// Turns scores into weights that sum to one.
#[inline(always)]
pub(in crate::model::ops::cpu) fn softmax<S: Simd>(simd: S, x: &mut [f32]) {
    let mut largest = [f32::NEG_INFINITY; SUMS];
    let (whole, rest) = x.as_chunks::<SUMS>();
    for part in whole {
        for i in 0..SUMS {
            largest[i] = if part[i] > largest[i] {
                part[i]
            } else {
                largest[i]
            };
        }
    }
    let mut most = f32::NEG_INFINITY;
    for value in largest.iter().chain(rest) {
        most = most.max(*value);
    }
    let mut sums = [0.0; SUMS];
    let (whole, rest) = x.as_chunks_mut::<SUMS>();
    for part in whole {
        for i in 0..SUMS {
            part[i] = exp(simd, part[i] - most);
            sums[i] += part[i];
        }
    }
    for i in 0..rest.len() {
        rest[i] = exp(simd, rest[i] - most);
        sums[i] += rest[i];
    }
    let scale = 1.0 / joined(sums);
    for value in x {
        *value *= scale;
    }
}
