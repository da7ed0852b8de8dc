//! Tables as people read them.

mod fixture;
mod tables;
