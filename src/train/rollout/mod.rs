//! A step of the algorithms that learn from their own completions.
//!
//! `collect` samples completions, `reward` scores each `answer`, perhaps by `row_tests`, `beside` the
//! sampling, `advantage` compares them within their
//! group, `gap` watches held-out tests, `imitated` is what a remote teacher says, `objective` defines the loss of an algorithm, and `step` makes the updates, each from one
//! `mini_batch`.

pub(super) mod advantage;
pub(super) mod answer;
pub(super) mod beside;
pub(super) mod collect;
mod exchange;
pub(super) mod gap;
mod imitated;
mod mini_batch;
pub(super) mod objective;
pub(super) mod pass_rates;
pub(super) mod preference;
pub(super) mod reward;
mod row_tests;
mod sample;
pub(super) mod step;
