//! The settings of one point of the grid.

use std::collections::BTreeMap;

use serde_json::Value as Json;

use crate::{
    data::DataSettings,
    device::Backend,
    eval::EvalSettings,
    model::ModelSettings,
    reward::Mix,
    settings::{Field, Kind, MemorySize, SEED, keys, settings, whole},
    train::TrainSettings,
};

/// One point of the grid.
#[derive(Clone, Debug, PartialEq)]
pub struct Point {
    /// The values of the axes, as the spec writes them.
    pub values: BTreeMap<String, Json>,
    /// Its settings.
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
    /// The reward of the last training, if it has one.
    pub fn reward(&self) -> Option<Mix> {
        let last = self.stages.last()?;
        last.algorithm.has_reward().then(|| last.reward.clone())
    }
}

settings! {
    /// The backend and the seeds of all jobs, and how many jobs run side by side.
    #[derive(Eq)]
    pub struct RunSettings {
        /// What computes: `cpu`, `wgpu` (any GPU) or `cuda`.
        #[key(Kind::Choice("backend", || Backend::NAMES.to_vec()), default = "cpu")]
        pub backend: Backend,
        /// The seeds; each has a training and evaluations of its own.
        #[key(Kind::List(&SEED), default = [42], source = "paper, set-up")]
        pub seeds: Vec<u64>,
        /// How many jobs run at the same time.
        #[key(whole(1, 10_000), default = 1)]
        pub slots: usize,
        /// What each job needs.
        #[table]
        pub needs: Needs,
    }
}

settings! {
    /// The table `run.needs`.
    #[derive(Eq)]
    pub struct Needs {
        /// The memory of a GPU that a job needs, such as `70GiB`; `recode plan` compares it with its
        /// own estimate.
        #[key(Kind::Memory(0), default = "0GiB")]
        pub gpu_mem: String,
    }
}

impl Needs {
    /// The memory of a GPU in bytes.
    pub fn gpu_memory_bytes(&self) -> u64 {
        MemorySize::parse(&self.gpu_mem).map_or(0, MemorySize::bytes)
    }
}

/// The keys at the top of a spec.
pub(super) const TOP_FIELDS: &[Field] = keys! {
    /// Specs that this one builds on, relative to this file; later ones win, and this file wins over
    /// all.
    #[key(Kind::List(&Kind::Text))]
    include,
    /// The experiment's name, and the folder of its tables below `results/tables/`.
    #[key(Kind::Name)]
    name,
    /// What the experiment is to show, in a sentence; printed above the table.
    #[key(Kind::Text)]
    description,
};
