//! Tests of whole models, and the helpers that they share.

mod by_block;
mod decoder;
pub(crate) mod fixture;
mod fuzz;
mod language_model;
mod on_a_gpu;
mod peft;
