//! One point of the grid: its settings, and whether they fit together.

pub(in crate::spec) mod contradictions;
pub(in crate::spec) mod files;
pub(in crate::spec) mod remote;
pub(in crate::spec) mod resolve;
