//! Plans of specs in a small project, and of the experiments of this one.

mod findings;
pub(crate) mod fixture;
mod jobs;
mod shipped;
