//! Measuring a model.

mod settings;

pub use settings::EvalSettings;
