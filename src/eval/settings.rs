//! The settings of one evaluation.

use std::path::Path;

use super::{
    EvalError,
    benchmark::{self, Choice, Descriptor, Flavour, Options, Repairs},
};
use crate::{
    model::SamplingSettings,
    settings::{COUNT, COUNT_OR_ZERO, Field, Kind, choice, keys, settings, whole},
};

settings! {
    /// The settings of one evaluation, except the model and the data.
    pub struct EvalSettings {
        /// The benchmark's name.
        pub benchmark: String,
        /// The number of completions of each task.
        pub samples: usize,
        /// How completions are sampled.
        #[table(defaults(
            temperature = 0.8, "CodeUpdateArena's own";
            top_k = 0;
            top_p = 0.7, "CodeUpdateArena's own; also scripts/dapo.sh in validation";
            min_p = 0.0;
            max_completion_tokens = 1024, "as in training (the benchmark's own 512 has no room to think)";
        ))]
        pub sampling: SamplingSettings,
        /// The longest prompt, in tokens; longer ones are cut on the left.
        #[key(COUNT, default = 2048, source = "as in training")]
        pub max_prompt_tokens: usize,
        /// How many completions are generated as one batch; part of a job's identity, because it can
        /// change the last bit of a logit.
        #[key(whole(1, 100_000), default = 32, source = "ours")]
        pub batch_size: usize,
        /// The number of tasks of each benchmark, from the first on; 0 takes all.
        #[key(COUNT_OR_ZERO, default = 0, source = "all tasks")]
        pub limit: usize,
        /// Whether to run completions even if the system lacks a safeguard; part of a job's
        /// identity only if it is on, because completions may behave differently there.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        #[key(Kind::Flag, default = false)]
        pub allow_unsandboxed: bool,
        /// Whether the tests of HumanEval and HumanEval+ run in the solution's process, as published,
        /// where a solution can change how its values are compared.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        #[key(Kind::Flag, default = false, source = "ours; the published harnesses do")]
        pub in_process: bool,
        /// Whose rules HumanEval+ follows: the development version's, or those of 0.3.1, which fails
        /// every solution of HumanEval/32.
        #[serde(default, skip_serializing_if = "Flavour::is_tip")]
        #[key(
            choice::<Flavour>("version of EvalPlus"),
            default = "tip",
            source = "0.3.1 fails every solution of HumanEval/32"
        )]
        pub evalplus: Flavour,
        /// What is repaired in the data of CodeUpdateArena: nothing, or with `paper` what the paper
        /// says it has repaired (`datasets/overlays`).
        #[serde(default, skip_serializing_if = "Repairs::is_none")]
        #[key(choice::<Repairs>("set of repairs"), default = "none", source = "the published data")]
        pub repairs: Repairs,
        /// The Python that judges; with `auto` that of `RECODE_PYTHON`, of the environment of
        /// `recode python --setup`, or `python3`. Not part of a job's identity: the provenance says which one it was.
        #[serde(default = "auto", skip_serializing_if = "is_auto")]
        #[key(Kind::Text, default = "auto", source = "searched for")]
        pub python: String,
    }
}

fn auto() -> String {
    "auto".to_owned()
}

fn is_auto(python: &str) -> bool {
    python == "auto"
}

impl EvalSettings {
    /// The settings that a spec, and no job, has of evaluation: a job has one benchmark.
    pub const SPEC_FIELDS: &[Field] = keys! {
        /// The benchmarks; each is one job on each model.
        #[key(
            Kind::List(&Kind::Benchmark),
            default = ["code_update_arena", "humaneval_plus"],
            source = "paper, Table 1"
        )]
        benchmarks,
    };

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
        let in_process = self.in_process && reads(Choice::InProcess);
        let (evalplus, repairs) = (reads(Choice::EvalPlus), reads(Choice::Repairs));
        self.in_process = in_process;
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
            is_in_process: self.in_process,
            flavour: self.evalplus,
            repairs: self.repairs,
        }
    }
}
