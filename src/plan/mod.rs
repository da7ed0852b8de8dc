//! Grid to jobs: their identity and their order.

#[cfg(test)]
pub(crate) mod example;
mod job;

pub use job::{EvalWork, Job, JobId, RECIPE_VERSION, Start, TrainWork, Work};
