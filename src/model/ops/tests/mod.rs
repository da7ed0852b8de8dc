//! Tests of whole operations: every implementation that this machine has, against the plain
//! formulas.

mod conformance;
mod devices;
mod draw;
pub(in crate::model::ops) mod fixture;
pub(in crate::model::ops) mod implementations;
