//! What a user may write, and whether it makes sense.
//!
//! [`load`] reads the layers of a spec (defaults, includes, the file, the environment, `--set`),
//! and returns either an [`Experiment`] or all of its [`Mistakes`] at once.

mod benchmark;
mod check;
mod code;
mod experiment;
mod explain;
mod grid;
mod json_schema;
mod load;
mod origin;
mod point;
mod problem;
mod read;
mod schema;
mod settings;
mod suggest;
mod table;
#[cfg(test)]
mod tests;
mod variables;
mod warn;

pub use experiment::Experiment;
pub use explain::explain;
pub use json_schema::json_schema;
pub use load::{Request, load};
pub use origin::{Overruled, SetValue};
pub use problem::{Mistakes, Warnings};
pub use read::surroundings::Surroundings;
pub use settings::{
    EngineName, Needs, Point, ReportSettings, RunSettings, Settings, SlurmSettings, TrackerName,
};
pub use suggest::nearest;
pub use table::settings::{Baseline, Column, Show, TableSettings};
pub use variables::{VARIABLES, Variable, environment};
pub use warn::{
    finding::Finding,
    written::{Comparison, WrittenSetting},
};
