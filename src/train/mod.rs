//! Turning a model into a better one.

mod settings;

pub use settings::{
    AdvantageScale, Aggregation, Algorithm, DapoSettings, GrpoSettings, LearningRate, OptimizerSettings, Schedule, SftSettings,
    TrainSettings,
};
