//! Tests of evaluation as a whole.

mod conformance;
mod registry;
