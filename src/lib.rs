//! Reproducible reinforcement-learning experiments on code models.
//!
//! A TOML spec declares what to measure; the program expands it into training and evaluation jobs,
//! runs them, and writes tables beside the paper's (ReCode, arXiv 2506.20495). `ARCHITECTURE.md`
//! explains how the modules fit together and who may import whom.

pub mod calendar;
pub mod cli;
pub mod data;
pub mod device;
pub mod digest;
pub mod disk;
pub mod eval;
pub mod launch;
pub mod memory;
pub mod model;
pub mod plan;
pub mod python;
pub mod remote;
pub mod report;
pub mod results;
pub mod reward;
pub mod schedule;
pub mod seed;
pub mod spec;
pub mod train;
pub mod worker;
pub mod world;
