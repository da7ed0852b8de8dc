//! Whole trainings of a micro model.

mod diverging;
mod evaluating;
mod fixture;
mod learning;
mod loss_golden;
mod resuming;
