//! Vectors of the processor: which instruction set it has, and loops over the lanes.

pub(super) mod lanes;
pub(super) mod prefetch;
pub(super) mod processor;
