//! A step of the algorithms that learn from their own completions.
//!
//! `collect` samples completions, `reward` scores them, `advantage` compares them within their
//! group, `objective` defines the loss of an algorithm, and `step` makes the updates, each from one
//! `mini_batch`.

pub(super) mod advantage;
pub(super) mod collect;
mod mini_batch;
pub(super) mod objective;
pub(super) mod reward;
pub(super) mod step;
