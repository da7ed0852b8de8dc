//! What one spec declares, after layering: points with final settings, and the table they fill.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use crate::{
    data::DataSettings,
    device::Backend,
    eval::EvalSettings,
    model::ModelSettings,
    reward::Variant,
    train::{Algorithm, TrainSettings},
};

use super::table::TableSettings;

/// What one spec declares.
#[derive(Clone, Debug)]
pub struct Experiment {
    /// Its name, which is also the folder of its tables.
    pub name: String,
    /// What it is to show; may be empty.
    pub description: String,
    /// The paths in which points differ, in the order of the spec.
    pub axes: Vec<String>,
    /// The points of the grid, in the order of the spec; one, if there is no grid.
    pub points: Vec<Point>,
    /// The table.
    pub table: TableSettings,
    /// How to run; seeds and backend may differ from point to point, and are in `points`.
    pub run: RunSettings,
    /// Where every value outside the grid was set, by its path, for people.
    pub origins: BTreeMap<String, String>,
}

/// One point of the grid.
#[derive(Clone, Debug, PartialEq)]
pub struct Point {
    /// The values of the axes, as the spec writes them.
    pub values: BTreeMap<String, Json>,
    /// All settings that hold there.
    pub settings: Settings,
}

/// The settings of one point, nothing left implicit.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// The model.
    pub model: ModelSettings,
    /// The data; paths are complete.
    pub data: DataSettings,
    /// `untrained`, or the algorithm's name.
    pub method: String,
    /// The trainings, each on the result of the one before; empty for `untrained`.
    pub stages: Vec<TrainSettings>,
    /// The evaluation within each of the trainings, if it has one.
    pub stage_evals: Vec<Option<EvalSettings>>,
    /// The evaluations of the result, one a benchmark.
    pub evals: Vec<EvalSettings>,
    /// Where and with which seeds.
    pub run: RunSettings,
}

impl Settings {
    /// The reward that the last training learns from, if it has one.
    pub fn reward(&self) -> Option<Variant> {
        let last = self.stages.last()?;
        (!matches!(last.algorithm, Algorithm::Sft(_))).then_some(last.reward)
    }
}

/// The section `[run]`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunSettings {
    /// What computes.
    pub backend: Backend,
    /// The seeds; each is a training and its evaluations of its own.
    pub seeds: Vec<u64>,
    /// How many jobs run side by side.
    pub slots: usize,
    /// What each job needs.
    pub needs: Needs,
}

/// The table `run.needs`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Needs {
    /// How many GPUs.
    pub gpus: u32,
    /// How much memory each must have, as `70GiB`.
    pub gpu_mem: String,
    /// How long a job may take, as `20h`; `0h` sets no limit.
    pub time: String,
}

impl Needs {
    /// The memory of each GPU in bytes.
    pub fn gpu_memory_bytes(&self) -> u64 {
        super::value::memory_bytes(&self.gpu_mem).unwrap_or(0)
    }

    /// The longest time in seconds, if there is a limit.
    pub fn time_seconds(&self) -> Option<u64> {
        super::value::seconds(&self.time).filter(|seconds| *seconds > 0)
    }
}
