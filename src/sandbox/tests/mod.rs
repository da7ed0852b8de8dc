//! The whole sandbox, with the Python of this machine.

mod fixture;
mod isolation;
mod memory;
mod scratch;
mod time_limits;
mod verdicts;
mod workers;
