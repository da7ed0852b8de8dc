//! The settings of data.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use super::notes::NoteMix;
use crate::settings::{Key, Kind, settings};

settings! {
    /// The data to train on, the prompts, and files that replace benchmarks.
    pub struct DataSettings {
        /// The migrations to train on: a name of `datasets/manifest.toml`, or a JSON-lines file.
        #[key(Kind::DataSet, default = "recode-train", source = "the paper's 1,786 migrations")]
        pub train: String,
        /// The kinds of note in training: whether each row shows its own.
        #[table]
        pub notes: NoteMix,
        /// Files of benchmarks, by the benchmark's name, that replace those of the manifest.
        pub benchmarks: BTreeMap<String, PathBuf>,
        /// Templates of prompts in the language of Jinja, one file for each kind of prompt.
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

/// Makes the formats of tasks, and the templates of prompts: a line for each format.
macro_rules! formats {
    ($(#[doc = $doc:literal] $format:ident => $key:ident $template:literal,)*) => {
        settings! {
            /// The section `[data.prompts]`: minijinja templates, one file a task.
            #[derive(Eq)]
            pub struct PromptSettings {
                /// The template of the prompt for a migration.
                #[key(Kind::File, default = "datasets/prompts/migration.jinja")]
                pub migration: PathBuf,
                $(
                    #[doc = $doc]
                    #[serde(default)]
                    #[key(Kind::File, default = $template)]
                    pub $key: PathBuf,
                )*
            }
        }

        /// The format of a benchmark's tasks, which decides the template of the prompt.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum TaskFormat {
            $(#[doc = $doc] $format,)*
        }

        impl TaskFormat {
            /// All formats.
            pub const ALL: &[Self] = &[$(Self::$format),*];

            /// The key of its template in `[data.prompts]`.
            pub fn key(self) -> &'static str {
                match self { $(Self::$format => stringify!($key)),* }
            }
        }

        impl PromptSettings {
            /// The template for the tasks of a benchmark.
            pub fn of_tasks(&self, format: TaskFormat) -> &Path {
                match format { $(TaskFormat::$format => &self.$key),* }
            }

            /// The template for the tasks of a benchmark, to be replaced.
            pub fn of_tasks_mut(&mut self, format: TaskFormat) -> &mut PathBuf {
                match format { $(TaskFormat::$format => &mut self.$key),* }
            }
        }
    };
}

formats! {
    /// The template of the prompt for a task of CodeUpdateArena.
    CodeUpdateArena => code_update_arena "datasets/prompts/code_update_arena.jinja",
    /// The template of the prompt for a task under a note that may be wrong, or without one.
    NoteTrust => note_trust "datasets/prompts/note_trust.jinja",
    /// The template of the prompt for a task of HumanEval.
    HumanEval => human_eval "datasets/prompts/human_eval.jinja",
}
