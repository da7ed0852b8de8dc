//! Grid to jobs: their identity and their order.

mod job;

pub use job::{EvalWork, Job, JobId, RECIPE_VERSION, Start, TrainWork, Work};
