//! Tables as people read them.

pub(in crate::report) mod fixture;
mod tables;
