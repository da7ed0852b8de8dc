//! Turning a model into a better one.

mod algorithm;
mod settings;

pub use algorithm::{Algorithm, DapoSettings, GrpoSettings, SftSettings};
pub use settings::{
    AdvantageScale, Aggregation, LearningRate, OptimizerSettings, Schedule, TrainSettings,
};
