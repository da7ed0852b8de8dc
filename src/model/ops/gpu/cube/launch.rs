//! How many cubes and units a kernel gets.

use cubecl::prelude::{CubeCount, CubeDim};

/// The most cubes along a dimension that WebGPU promises.
const MOST: usize = 65_535;

/// The units of a cube whose units do not work together.
const UNITS: usize = 256;

/// At least as many cubes as asked for. A kernel skips those beyond.
pub(super) fn cubes(count: usize) -> CubeCount {
    let rows = count.div_ceil(MOST).max(1);
    let columns = count.div_ceil(rows).max(1);
    CubeCount::Static(narrow(columns), narrow(rows), 1)
}

/// At least as many units as asked for, which do not work together.
pub(super) fn units(count: usize) -> (CubeCount, CubeDim) {
    (cubes(count.div_ceil(UNITS)), cube(UNITS))
}

/// A cube of units in one dimension.
pub(super) fn cube(units: usize) -> CubeDim {
    CubeDim::new_1d(narrow(units))
}

/// The units that share a row of so many vectors: a power of two. It depends on nothing else, so
/// that no digit of a row depends on the number of rows.
pub(super) fn units_of_row(vectors: usize) -> usize {
    vectors.next_power_of_two().clamp(32, UNITS)
}

/// A size as kernels take it. No tensor of a model has more than 2³² numbers.
pub(super) fn narrow(size: usize) -> u32 {
    u32::try_from(size).expect("a tensor of the model has less than 2³² numbers")
}
