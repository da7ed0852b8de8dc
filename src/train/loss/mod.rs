//! Losses of tokens, and how they become one number.

mod aggregate;
mod cross_entropy;
mod kl;
mod rectangle;
mod surrogate;

pub use aggregate::Aggregation;
pub(super) use aggregate::sequence_weights;
pub(super) use cross_entropy::{cross_entropy, token_weights};
pub use kl::KlEstimator;
pub(super) use rectangle::{column, rectangle};
pub(super) use surrogate::{ClipRange, Surrogate};
