//! Scoring one completion.

mod settings;

pub use settings::{Normalizer, RewardSettings, Variant};
