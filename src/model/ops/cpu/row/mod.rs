//! Operations of single rows and elements: norm, gate, rotation, softmax, forward and backward.

mod backward;
pub(super) mod distribution;
mod exponential;
pub(super) mod formula;
pub(super) mod forward;
