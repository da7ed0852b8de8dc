//! The settings of data.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use crate::settings::{Key, Kind, settings};

settings! {
    /// The data to train on, the prompts, and files that replace benchmarks.
    #[derive(Eq)]
    pub struct DataSettings {
        /// The migrations to train on: a name of `datasets/manifest.toml`, or a JSON-lines file.
        #[key(Kind::DataSet, default = "recode-train", source = "the paper's 1,786 migrations")]
        pub train: String,
        /// Files of benchmarks, by the benchmark's name, that replace those of the manifest.
        pub benchmarks: BTreeMap<String, PathBuf>,
        /// Minijinja templates of prompts, one file a task.
        #[table(source = "ours in wording, the paper's in structure")]
        pub prompts: PromptSettings,
    }
}

impl DataSettings {
    /// The key that every benchmark has in `[data.benchmarks]`, under its own name.
    pub const BENCHMARK_FILE: Key = Key {
        name: "",
        kind: Kind::File,
        default: None,
        source: None,
        doc: "A file that replaces this benchmark's.",
    };
}

settings! {
    /// The section `[data.prompts]`: minijinja templates, one file a task.
    #[derive(Eq)]
    pub struct PromptSettings {
        /// The template of the prompt for a migration.
        #[key(Kind::File, default = "datasets/prompts/migration.jinja")]
        pub migration: PathBuf,
        /// The template of the prompt for a task of CodeUpdateArena.
        #[key(Kind::File, default = "datasets/prompts/code_update_arena.jinja")]
        pub code_update_arena: PathBuf,
        /// The template of the prompt for a task of HumanEval.
        #[key(Kind::File, default = "datasets/prompts/human_eval.jinja")]
        pub human_eval: PathBuf,
    }
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
