//! Sums and maxima over the units of a cube, in an order that depends on their number alone.
//!
//! They go through shared memory and not through planes, whose width differs between devices.

use cubecl::prelude::*;

/// Less than any score, and finite: some devices lack infinity.
#[cube]
pub(super) fn least() -> f32 {
    f32::new(-3.0e38f32)
}

/// The sum of the values of all units.
#[cube]
pub(super) fn sum(value: f32, #[comptime] units: usize) -> f32 {
    let mut values = Shared::<[f32]>::new_slice(units);
    let unit = UNIT_POS as usize;
    values[unit] = value;
    sync_cube();
    #[unroll]
    for step in 0..comptime!(units.ilog2() as usize) {
        let half = units >> (step + 1);
        if unit < half {
            values[unit] += values[unit + half];
        }
        sync_cube();
    }
    let found = values[0];
    // Whoever gets this memory next must not write before all have read.
    sync_cube();
    found
}

/// The largest of the values of all units.
#[cube]
pub(super) fn largest(value: f32, #[comptime] units: usize) -> f32 {
    let mut values = Shared::<[f32]>::new_slice(units);
    let unit = UNIT_POS as usize;
    values[unit] = value;
    sync_cube();
    #[unroll]
    for step in 0..comptime!(units.ilog2() as usize) {
        let half = units >> (step + 1);
        if unit < half {
            let (a, b) = (values[unit], values[unit + half]);
            values[unit] = select(b > a, b, a);
        }
        sync_cube();
    }
    let found = values[0];
    // Whoever gets this memory next must not write before all have read.
    sync_cube();
    found
}
