//! Reproducible reinforcement-learning experiments on code models.
//!
//! A TOML spec declares what to measure; the program expands it into training and evaluation jobs,
//! runs them, and writes tables beside the paper's (ReCode, arXiv 2506.20495). `ARCHITECTURE.md`
//! explains how the modules fit together; they are listed here leaves first.

pub mod seed;
pub mod digest;
pub mod device;
pub mod python;
pub mod launch;
pub mod data;
pub mod reward;
pub mod model;
pub mod train;
pub mod eval;
pub mod spec;
pub mod plan;
pub mod results;
pub mod report;
pub mod schedule;
pub mod worker;
pub mod cli;
