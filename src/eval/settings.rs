//! The settings of an evaluation.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::{
    EvalError,
    benchmark::{self, Choice, Descriptor, Flavour, Options, Repairs},
};
use crate::model::SamplingSettings;

/// All settings of one evaluation except the model and the data.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EvalSettings {
    /// The benchmark's name.
    pub benchmark: String,
    /// Completions a task.
    pub samples: usize,
    /// How completions are sampled.
    pub sampling: SamplingSettings,
    /// Longer prompts are truncated on the left.
    pub max_prompt_tokens: usize,
    /// How many completions are generated as one batch. Part of the identity, because it can change
    /// the last bit of a logit.
    pub batch_size: usize,
    /// How many tasks are used, from the first one on; 0 uses all.
    pub limit: usize,
    /// Whether to run programs although the system lacks a safeguard. Part of the identity only where
    /// it is set, because verdicts may then differ.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub allow_unsandboxed: bool,
    /// Whether the tests run in another process than the solution.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub strict: bool,
    /// The version of EvalPlus whose rules HumanEval+ follows.
    #[serde(default, skip_serializing_if = "Flavour::is_tip")]
    pub evalplus: Flavour,
    /// Which repairs are made to the data of CodeUpdateArena.
    #[serde(default, skip_serializing_if = "Repairs::is_none")]
    pub repairs: Repairs,
    /// The Python that runs the tests; `auto` searches for one. Not part of the identity: the
    /// provenance records the interpreter that was used, with its libraries.
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
    /// The benchmark.
    pub fn descriptor(&self) -> Result<&'static Descriptor, EvalError> {
        benchmark::find(&self.benchmark)
    }

    /// The settings with the default for each choice that the benchmark does not offer, so that such
    /// a choice does not change the identity of its jobs.
    #[must_use]
    pub fn of_its_benchmark(mut self) -> Self {
        let reads = |choice| {
            self.descriptor()
                .is_ok_and(|benchmark| benchmark.reads(choice))
        };
        let is_strict = self.strict && reads(Choice::Strict);
        let (evalplus, repairs) = (reads(Choice::EvalPlus), reads(Choice::Repairs));
        self.strict = is_strict;
        if !evalplus {
            self.evalplus = Flavour::default();
        }
        if !repairs {
            self.repairs = Repairs::default();
        }
        self
    }

    /// The interpreter that the user has named, if any.
    pub fn named_python(&self) -> Option<&Path> {
        (!is_auto(&self.python)).then(|| Path::new(&self.python))
    }

    /// The options with which the benchmark is opened.
    pub fn options(&self) -> Options {
        Options {
            timeout: None,
            is_strict: self.strict,
            flavour: self.evalplus,
            repairs: self.repairs,
        }
    }
}
