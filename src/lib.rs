//! Reproducible reinforcement-learning experiments on code models.
//!
//! A TOML spec declares what to measure. The program expands it into training and evaluation jobs,
//! runs them, and writes tables that compare the results with the paper's (ReCode, arXiv
//! 2506.20495). `ARCHITECTURE.md` explains how the modules fit together and who may import whom.

pub mod allocator;
pub mod answer;
pub mod cli;
pub mod data;
pub mod device;
pub mod digest;
pub mod disk;
pub mod engine;
pub mod eval;
#[cfg(test)]
mod fuzz;
pub mod launch;
pub mod model;
pub mod plan;
pub mod ranks;
pub mod remote;
pub mod report;
pub mod results;
pub mod reward;
pub mod sandbox;
pub mod schedule;
pub mod seed;
pub mod settings;
pub mod shipped;
pub mod spec;
pub mod syntax;
pub mod train;
pub mod worker;
