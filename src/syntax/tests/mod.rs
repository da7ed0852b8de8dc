//! The whole module against recorded and living oracles.

mod conformance;
mod golden;
