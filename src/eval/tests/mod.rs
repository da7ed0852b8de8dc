//! Tests of evaluation as a whole.

mod conformance;
pub(super) mod fixture;
mod fuzz;
mod outside;
mod registry;
