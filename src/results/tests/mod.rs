//! Job folders as schedulers, workers and crashes leave them.

pub(crate) mod fixture;
mod fuzz;
mod job_dir;
