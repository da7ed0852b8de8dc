//! Numbers for the tests of operations.

use crate::{model::rounding::to_f32, seed::stream};

/// Numbers within ±1.
pub(in crate::model::ops) fn numbers(seed: u64, count: usize) -> Vec<f32> {
    let mut stream = stream(seed, "kernel", 0, 0);
    (0..count)
        .map(|_| to_f32(2.0 * stream.uniform() - 1.0))
        .collect()
}

/// The largest distance of the numbers that were found from the exact ones; infinite if one is NaN.
pub(in crate::model::ops) fn distance_to_exact(found: &[f32], exact: &[f64]) -> f64 {
    assert_eq!(found.len(), exact.len());
    let distances = found.iter().zip(exact);
    distances
        .map(|(found, exact)| (f64::from(*found) - exact).abs())
        .fold(0.0, |worst, distance| {
            if distance.is_nan() {
                f64::INFINITY
            } else {
                worst.max(distance)
            }
        })
}
