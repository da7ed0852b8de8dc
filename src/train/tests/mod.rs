//! Whole trainings of a micro model.

mod by_hand;
mod curriculum;
mod dapo;
mod diverging;
mod evaluating;
pub(super) mod fixture;
mod imitating;
mod learning;
mod loss_golden;
mod micro_batches;
mod on_a_gpu;
mod ranks;
mod resuming;
mod rewards;
mod target_log_prob;
