//! Softmax of one row.

use pulp::Simd;

use super::{exponential::exp, row::joined};

/// Turns scores into weights that sum to one.
#[inline(always)]
pub(super) fn softmax<S: Simd>(simd: S, x: &mut [f32]) {
    let mut largest = [f32::NEG_INFINITY; 16];
    let (whole, rest) = x.as_chunks::<16>();
    for part in whole {
        for i in 0..16 {
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
    let mut sums = [0.0; 16];
    let (whole, rest) = x.as_chunks_mut::<16>();
    for part in whole {
        for i in 0..16 {
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
