//! Turning a model into a better one.

mod advantage;
mod algorithm;
mod loss;
mod optim;
mod schedule;
mod settings;

pub use advantage::AdvantageScale;
pub use algorithm::{Algorithm, DapoSettings, GrpoSettings, SftSettings};
pub use loss::Aggregation;
pub use optim::OptimizerSettings;
pub use schedule::{LearningRate, Schedule};
pub use settings::TrainSettings;
