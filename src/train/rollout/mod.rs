//! One step of an algorithm of the GRPO kind: sample completions, reward them, compare them, learn.
//!
//! `collect` samples and scores, `advantage` compares, `objective` says what an algorithm minimises,
//! and `step` makes the updates.

pub(super) mod advantage;
pub(super) mod collect;
pub(super) mod objective;
pub(super) mod step;
