//! The benchmarks of this program: a row each.
//!
//! All that differs from benchmark to benchmark outside of its own file is in its row, and no other
//! file compares a benchmark's name with a text.

use std::path::Path;

use super::{Benchmark, Options, code_update_arena, human_eval, human_eval_plus, note_trust};
use crate::{
    data::TaskFormat,
    eval::EvalError,
    settings::{Key, whole},
};

/// A benchmark, as a spec and the command line may name it.
#[derive(Debug)]
pub struct Descriptor {
    /// Its name.
    pub name: &'static str,
    /// What it measures, in a sentence.
    pub summary: &'static str,
    /// The format of its tasks, which decides the prompt template.
    pub format: TaskFormat,
    /// The libraries without which some of its tasks cannot be solved.
    pub libraries: &'static [&'static str],
    /// Those of [`Options`] that it reads, besides the time limit.
    pub reads: &'static [Choice],
    /// How many completions a task gets by default, as TOML.
    pub samples: &'static str,
    /// Where that number comes from.
    pub samples_source: &'static str,
    /// The number of times that a change of judging has changed the verdicts of some solutions. It is part of its
    /// jobs, so that older results are not mistaken for new ones.
    pub judging: u32,
    /// Those of the measures of a judgement that its outcomes have for each sample, so that a table can show
    /// them with an interval.
    pub measures: &'static [&'static str],
    /// Whether its verdicts are written in the format of EvalPlus's result file.
    pub has_evalplus_results: bool,
    open: Open,
}

/// How a benchmark is opened.
type Open = fn(&'static str, &Path, &Options) -> Result<Box<dyn Benchmark>, EvalError>;

/// A choice that only some benchmarks offer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Choice {
    /// [`Options::is_in_process`].
    InProcess,
    /// [`Options::flavour`].
    EvalPlus,
    /// [`Options::repairs`].
    Repairs,
}

/// The libraries that programs of `CodeUpdateArena` import.
const ARENA_LIBRARIES: &[&str] = &["numpy", "pandas", "pytest", "scipy", "sympy", "torch"];

/// All benchmarks.
pub const BENCHMARKS: &[Descriptor] = &[
    Descriptor {
        name: "code_update_arena",
        summary: "Use a function that has changed since the model was trained (arXiv:2407.06249).",
        format: TaskFormat::CodeUpdateArena,
        libraries: ARENA_LIBRARIES,
        reads: &[Choice::Repairs],
        samples: "5",
        samples_source: "paper: n = 5, for pass@1 and pass@5",
        judging: 0,
        measures: &[],
        has_evalplus_results: false,
        open: code_update_arena::open,
    },
    Descriptor {
        name: "mini_arena",
        summary: "Functions to write with an updated API of the tiny world, in CodeUpdateArena's format.",
        format: TaskFormat::CodeUpdateArena,
        libraries: &[],
        reads: &[],
        samples: "5",
        samples_source: "as code_update_arena",
        judging: 0,
        measures: &[],
        has_evalplus_results: false,
        open: code_update_arena::open,
    },
    Descriptor {
        name: "mini_general",
        summary: "Functions to write where no API has changed, in HumanEval's format.",
        format: TaskFormat::HumanEval,
        libraries: &[],
        reads: &[Choice::InProcess],
        samples: "1",
        samples_source: "as humaneval",
        judging: 0,
        measures: &[],
        has_evalplus_results: false,
        open: human_eval::open,
    },
    Descriptor {
        name: "mini_multi",
        summary: "Functions of the tiny world to write with two updates at once.",
        format: TaskFormat::CodeUpdateArena,
        libraries: &[],
        reads: &[],
        samples: "5",
        samples_source: "as multi_update",
        judging: 0,
        measures: &[],
        has_evalplus_results: false,
        open: code_update_arena::open,
    },
    Descriptor {
        name: "mini_note_trust",
        summary: "Functions of the tiny world to write under five kinds of note.",
        format: TaskFormat::NoteTrust,
        libraries: &[],
        reads: &[],
        samples: "1",
        samples_source: "as humaneval",
        judging: 0,
        measures: &[note_trust::FOLLOWS],
        has_evalplus_results: false,
        open: note_trust::open,
    },
    Descriptor {
        name: "mini_other_note",
        summary: "Functions of the tiny world to write under a note about an unrelated update.",
        format: TaskFormat::CodeUpdateArena,
        libraries: &[],
        reads: &[],
        samples: "1",
        samples_source: "as humaneval",
        judging: 0,
        measures: &[],
        has_evalplus_results: false,
        open: code_update_arena::open,
    },
    Descriptor {
        name: "multi_update",
        summary: "Functions to write with two or three updates of the standard library at once.",
        format: TaskFormat::CodeUpdateArena,
        libraries: &[],
        reads: &[],
        samples: "5",
        samples_source: "paper, Table 3: pass@1 and pass@5",
        judging: 0,
        measures: &[],
        has_evalplus_results: false,
        open: code_update_arena::open,
    },
    Descriptor {
        name: "humaneval",
        summary: "Complete a function from its docstring (arXiv:2107.03374).",
        format: TaskFormat::HumanEval,
        libraries: &[],
        reads: &[Choice::InProcess],
        samples: "1",
        samples_source: "paper: pass@1",
        judging: 2,
        measures: &[],
        has_evalplus_results: false,
        open: human_eval::open,
    },
    Descriptor {
        name: "humaneval_plus",
        summary: "HumanEval's tasks with many more inputs (arXiv:2305.01210).",
        format: TaskFormat::HumanEval,
        libraries: &[],
        reads: &[Choice::InProcess, Choice::EvalPlus],
        samples: "1",
        samples_source: "paper: pass@1",
        judging: 2,
        measures: &[],
        has_evalplus_results: true,
        open: human_eval_plus::open,
    },
    Descriptor {
        name: "note_trust",
        summary: "The tasks of CodeUpdateArena, each under five kinds of note.",
        format: TaskFormat::NoteTrust,
        libraries: ARENA_LIBRARIES,
        reads: &[Choice::Repairs],
        samples: "1",
        samples_source: "ours: five kinds of note for each task",
        judging: 0,
        measures: &[note_trust::FOLLOWS],
        has_evalplus_results: false,
        open: note_trust::open,
    },
];

impl Descriptor {
    /// Whether the benchmark offers a choice.
    pub fn reads(&self, choice: Choice) -> bool {
        self.reads.contains(&choice)
    }

    /// The key that the benchmark has in `[eval.samples]`, under its own name.
    pub fn samples_key(&self) -> Key {
        Key {
            name: "",
            kind: whole(1, 100_000),
            default: Some(self.samples),
            source: Some(self.samples_source),
            doc: "The number of completions of each task of this benchmark.",
        }
    }

    /// Opens the benchmark over its file.
    pub fn open(&self, path: &Path, options: &Options) -> Result<Box<dyn Benchmark>, EvalError> {
        (self.open)(self.name, path, options)
    }
}

/// The names of all benchmarks.
pub fn names() -> impl Iterator<Item = &'static str> {
    BENCHMARKS.iter().map(|benchmark| benchmark.name)
}

/// All libraries that some benchmark needs, in alphabetical order.
pub fn all_libraries() -> Vec<&'static str> {
    let each = BENCHMARKS.iter().flat_map(|benchmark| benchmark.libraries);
    let mut libraries: Vec<&str> = each.copied().collect();
    libraries.sort_unstable();
    libraries.dedup();
    libraries
}

/// The benchmark of that name.
pub fn find(name: &str) -> Result<&'static Descriptor, EvalError> {
    BENCHMARKS
        .iter()
        .find(|benchmark| benchmark.name == name)
        .ok_or_else(|| EvalError::UnknownBenchmark {
            name: name.to_owned(),
            expected: names()
                .map(|name| format!("`{name}`"))
                .collect::<Vec<_>>()
                .join(", "),
        })
}

/// Opens a benchmark over its file, with its own limits.
pub fn open(name: &str, path: &Path) -> Result<Box<dyn Benchmark>, EvalError> {
    find(name)?.open(path, &Options::default())
}
