//! Tests of evaluation as a whole.

mod conformance;
pub(super) mod fixture;
mod outside;
mod registry;
