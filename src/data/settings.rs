//! What a spec may say about data: `[data]`.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

/// The section `[data]`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DataSettings {
    /// The migrations to train on: a name of `datasets/manifest.toml`, or a JSON-lines file.
    pub train: String,
    /// Files of benchmarks, by the benchmark's name, that replace those of the manifest.
    pub benchmarks: BTreeMap<String, PathBuf>,
    /// The prompt templates.
    pub prompts: PromptSettings,
}

/// The section `[data.prompts]`: minijinja templates, one file a task.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PromptSettings {
    /// How a migration is put to the model.
    pub migration: PathBuf,
    /// How a task of CodeUpdateArena is put to the model.
    pub code_update_arena: PathBuf,
    /// How a task of HumanEval is put to the model.
    pub human_eval: PathBuf,
}

/// The format of a benchmark's tasks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TaskFormat {
    /// Rows of CodeUpdateArena.
    CodeUpdateArena,
    /// Rows of HumanEval.
    HumanEval,
}

impl PromptSettings {
    /// The template for the tasks of a benchmark.
    pub fn of_tasks(&self, format: TaskFormat) -> &Path {
        match format {
            TaskFormat::CodeUpdateArena => &self.code_update_arena,
            TaskFormat::HumanEval => &self.human_eval,
        }
    }
}
