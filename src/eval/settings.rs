//! What a job of evaluation is told.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::benchmark::{self, Flavour, Options, Repairs};
use crate::model::SamplingSettings;

/// Everything that one evaluation is told, save the model and the data.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EvalSettings {
    /// The benchmark's name.
    pub benchmark: String,
    /// Completions a task.
    pub samples: usize,
    /// How completions are drawn.
    pub sampling: SamplingSettings,
    /// Longer prompts lose tokens on the left.
    pub max_prompt_tokens: usize,
    /// How many completions are generated side by side. Part of the identity: it can move the last
    /// bit of a logit.
    pub batch_size: usize,
    /// Only the first so many tasks; 0 takes all.
    pub limit: usize,
    /// Whether to run completions where the system lacks a safeguard. Part of the identity only where
    /// it is set, for what they do there may differ.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub allow_unsandboxed: bool,
    /// Whether values are compared in another process than the one that made them.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub strict: bool,
    /// Whose rules HumanEval+ follows.
    #[serde(default, skip_serializing_if = "Flavour::is_tip")]
    pub evalplus: Flavour,
    /// What is mended in the data of CodeUpdateArena.
    #[serde(default, skip_serializing_if = "Repairs::is_none")]
    pub repairs: Repairs,
    /// The interpreter that judges; one is looked for if it is `auto`. Not part of the identity: which
    /// one it was, with its libraries, is in the provenance.
    #[serde(default = "auto", skip_serializing_if = "is_auto")]
    pub python: String,
}

fn auto() -> String {
    "auto".to_owned()
}

fn is_auto(python: &str) -> bool {
    python == "auto"
}

impl EvalSettings {
    /// The settings without those that this benchmark does not read: no part of its jobs.
    #[must_use]
    pub fn of_its_benchmark(mut self) -> Self {
        self.strict &= benchmark::has_strict_mode(&self.benchmark);
        if self.benchmark != "humaneval_plus" {
            self.evalplus = Flavour::default();
        }
        if self.benchmark != "code_update_arena" {
            self.repairs = Repairs::default();
        }
        self
    }

    /// The interpreter that is named, if one is.
    pub fn named_python(&self) -> Option<&Path> {
        (!is_auto(&self.python)).then(|| Path::new(&self.python))
    }

    /// What the benchmark is told.
    pub fn options(&self) -> Options {
        Options {
            timeout: None,
            is_strict: self.strict,
            flavour: self.evalplus,
            repairs: self.repairs,
        }
    }
}
