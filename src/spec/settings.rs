//! The settings of one point of the grid.

use std::{collections::BTreeMap, net::IpAddr};

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use crate::{
    data::DataSettings,
    device::Backend,
    eval::EvalSettings,
    model::ModelSettings,
    reward::Mix,
    settings::{Field, Kind, MemorySize, SEED, TimeLength, choice, keys, settings, whole},
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
        /// How many processes share each job: they have the same result as one, and a GPU each on a GPU backend.
        #[key(whole(1, 1024), default = 1, source = "ours")]
        pub ranks: usize,
        /// On how many machines those processes are, as many on each. With `run.engine = "slurm"` a job gets so many nodes;
        /// on this machine the worker waits for those of the others, which its log says how to start.
        #[key(whole(1, 1024), default = 1, source = "ours")]
        pub nodes: usize,
        /// An address in the network over which the processes of several machines talk, such as `10.1.0.1`. Without it,
        /// each listens at the address of its node's name.
        #[serde(default)]
        #[key(Kind::Text)]
        pub network: Option<String>,
        /// How long a process that lives is waited for until it has done its part, at most; then the job fails, and can go
        /// on from its last checkpoint. One that sends no heartbeat is not waited for longer than a minute.
        #[key(Kind::TimeLength, default = "1h", source = "ours")]
        pub rank_timeout: TimeLength,
        /// What each job needs.
        #[table]
        pub needs: Needs,
        /// What runs the jobs: `local`, this machine, or `slurm`, a queue; `recode run --on` overrides it.
        #[key(choice::<EngineName>("engine"), default = "local", source = "ours")]
        pub engine: EngineName,
        /// How jobs are submitted to Slurm.
        #[table]
        pub slurm: SlurmSettings,
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
        /// The GPUs of a job on each of its nodes, which no other job has at the same time; without it, one for each process of jobs on a GPU
        /// backend. With 0 a job shares all GPUs with others.
        #[serde(default)]
        #[key(whole(0, 64))]
        pub gpus: Option<u32>,
        /// The processors of a job in a queue, on each of its nodes.
        #[key(whole(1, 1024), default = 1, source = "Slurm")]
        pub cpus: u32,
        /// The main memory of a job in a queue on each of its nodes, such as `64GiB`; without it, the queue's default.
        #[serde(default)]
        #[key(Kind::Memory(1))]
        pub memory: Option<MemorySize>,
        /// The longest time of one start of a job, such as `20h`; a job that needs longer goes on in its next
        /// start. Without it, the queue's default.
        #[serde(default)]
        #[key(Kind::TimeLength)]
        pub time: Option<TimeLength>,
    }
}

impl RunSettings {
    /// The address of `network`, if it is one.
    pub fn network_address(&self) -> Option<IpAddr> {
        self.network.as_ref()?.parse().ok()
    }
}

/// What runs the jobs of a plan.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EngineName {
    /// Child processes on this machine.
    #[default]
    Local,
    /// A Slurm cluster: all jobs are submitted at once.
    Slurm,
}

settings! {
    /// The table `run.slurm`: what `sbatch` is asked for, besides `run.needs`.
    #[derive(Eq)]
    pub struct SlurmSettings {
        /// The partition.
        #[serde(default)]
        #[key(Kind::Text)]
        pub partition: Option<String>,
        /// The account that pays.
        #[serde(default)]
        #[key(Kind::Text)]
        pub account: Option<String>,
        /// The quality of service.
        #[serde(default)]
        #[key(Kind::Text)]
        pub qos: Option<String>,
        /// The GPUs as Slurm names them, such as `gpu:h100:1`, in place of `run.needs.gpus`.
        #[serde(default)]
        #[key(Kind::Text)]
        pub gres: Option<String>,
        /// The features that a node must have.
        #[serde(default)]
        #[key(Kind::Text)]
        pub constraint: Option<String>,
        /// More options of `sbatch`, each as one text, such as `--exclusive`.
        #[serde(default)]
        #[key(Kind::TextOrList)]
        pub options: Option<Vec<String>>,
        /// Lines of bash that prepare a node, such as `module load cuda`; the job fails if one of them fails.
        #[serde(default)]
        #[key(Kind::TextOrList)]
        pub setup: Option<Vec<String>>,
        /// How long before the end of its time a job is asked to save and to go back into the queue.
        #[key(Kind::TimeLength, default = "5m", source = "ours")]
        pub stop_before: TimeLength,
    }
}

impl Needs {
    /// The memory of a GPU in bytes.
    pub fn gpu_memory_bytes(&self) -> u64 {
        MemorySize::parse(&self.gpu_mem).map_or(0, MemorySize::bytes)
    }
}

settings! {
    /// Where results are sent, besides `results/tables/`.
    #[derive(Default, Eq)]
    pub struct ReportSettings {
        /// The trackers that mirror metrics, tables and figures: `mlflow`, `wandb`, `trackio`.
        #[serde(default)]
        #[key(Kind::List(&TRACKER))]
        pub trackers: Option<Vec<TrackerName>>,
        /// The Python that has the packages of the trackers; without it, that of `RECODE_PYTHON`, or `python3`.
        #[serde(default)]
        #[key(Kind::Text)]
        pub python: Option<String>,
    }
}

/// One of the trackers.
const TRACKER: Kind = choice::<TrackerName>("tracker");

/// A tracker of experiments.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TrackerName {
    /// `MLflow`, into its folder of files or to the server of `MLFLOW_TRACKING_URI`.
    Mlflow,
    /// Weights & Biases.
    Wandb,
    /// Trackio, on this machine or to the space of `TRACKIO_SPACE_ID`.
    Trackio,
}

impl TrackerName {
    /// Its name, which is also that of its package.
    pub fn name(self) -> &'static str {
        match self {
            Self::Mlflow => "mlflow",
            Self::Wandb => "wandb",
            Self::Trackio => "trackio",
        }
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
