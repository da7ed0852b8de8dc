//! The section `[grid]`: its checks, and the points that it makes.

pub(in crate::spec) mod assignments;
pub(in crate::spec) mod axes;
pub(in crate::spec) mod points;
