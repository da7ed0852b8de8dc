//! The benchmarks: each is tasks and a judge, one file each and one line in [`open`]'s table.

mod code_update_arena;
#[cfg(test)]
mod conformance;
mod human_eval;
mod human_eval_plus;
mod repairs;

pub use repairs::Repairs;

use std::{fmt, path::Path, time::Duration};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{EvalError, Judgement};
use crate::{data::is_human_eval, sandbox::Pool};

/// A set of tasks, and how a solution is judged.
pub trait Benchmark: fmt::Debug + Send + Sync {
    /// Its name, as a spec writes it.
    fn name(&self) -> &'static str;

    /// Its tasks, in the order of the file.
    fn tasks(&self) -> &[Task];

    /// The solution in what a model answered to the task's prompt, if there is one.
    fn extract(&self, task: &Task, answer: &str) -> Option<String>;

    /// The solution that a completion of the task's own text makes: EvalPlus's `completion`.
    fn complete(&self, task: &Task, completion: &str) -> String {
        let _ = task;
        completion.to_owned()
    }

    /// The solution that comes with the task.
    fn reference(&self, task: &Task) -> Option<String>;

    /// The input of that number in a run, as JSON, where the benchmark tells which one failed.
    fn input(&self, task: &Task, run: &str, position: usize) -> Option<String> {
        let _ = (task, run, position);
        None
    }

    /// The Python of ours that its verdicts depend on, besides the driver.
    fn harness(&self) -> &'static str {
        ""
    }

    /// Judges a solution by running its tests.
    ///
    /// An error is a failure to judge, never the solution's.
    fn judge(&self, task: &Task, solution: &str, pool: &Pool) -> Result<Judgement, EvalError>;
}

/// One task of a benchmark.
#[derive(Clone, Debug, PartialEq)]
pub struct Task {
    /// Its name within the benchmark.
    pub id: String,
    /// What tasks that tend to be solved together share (the function that an update changes).
    pub group: Option<String>,
    /// What it may be counted under (the type of update).
    pub kind: Option<String>,
    /// What a prompt template may show: an object.
    pub fields: Value,
}

/// How a benchmark is opened.
type Open = fn(&'static str, &Path, &Options) -> Result<Box<dyn Benchmark>, EvalError>;

/// What a benchmark may be told.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// A time limit a test that replaces the benchmark's own.
    pub timeout: Option<Duration>,
    /// Whether values are compared in another process than the one that made them, where the
    /// benchmark compares values.
    pub is_strict: bool,
    /// Whose rules `HumanEval+` follows.
    pub flavour: Flavour,
    /// What is mended in the data of `CodeUpdateArena`.
    pub repairs: Repairs,
}

/// A version of EvalPlus, for what it does otherwise than others.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Flavour {
    /// The development version: a test has 4 seconds.
    #[default]
    Tip,
    /// The version on `PyPI`: a test has 1 second, and no solution of HumanEval/32 passes, so that
    /// figures made with it end at 163 of 164.
    #[serde(rename = "0.3.1")]
    V0_3_1,
}

impl Flavour {
    /// All versions.
    pub const ALL: &[Self] = &[Self::Tip, Self::V0_3_1];

    /// Whether it is the default.
    pub fn is_tip(&self) -> bool {
        *self == Self::Tip
    }

    /// Its name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Tip => "tip",
            Self::V0_3_1 => "0.3.1",
        }
    }
}

const BENCHMARKS: &[(&str, Open)] = &[
    ("code_update_arena", code_update_arena::open),
    ("mini_arena", code_update_arena::open),
    ("mini_general", human_eval::open),
    ("mini_multi", code_update_arena::open),
    ("mini_other_note", code_update_arena::open),
    ("multi_update", code_update_arena::open),
    ("humaneval", human_eval::open),
    ("humaneval_plus", human_eval_plus::open),
];

/// The libraries that the arena's programs import.
const ARENA_LIBRARIES: &[&str] = &["numpy", "pandas", "pytest", "scipy", "sympy", "torch"];

/// The libraries without which some tasks of a benchmark cannot be solved.
pub fn libraries(name: &str) -> &'static [&'static str] {
    if name == "code_update_arena" {
        ARENA_LIBRARIES
    } else {
        &[]
    }
}

/// Whether a benchmark can judge a solution from another process than the one it runs in.
pub fn has_strict_mode(name: &str) -> bool {
    is_human_eval(name)
}

/// The names of all benchmarks.
pub fn names() -> impl Iterator<Item = &'static str> {
    BENCHMARKS.iter().map(|(name, _)| *name)
}

/// Opens a benchmark over its file, with its own limits.
pub fn open(name: &str, path: &Path) -> Result<Box<dyn Benchmark>, EvalError> {
    open_with(name, path, &Options::default())
}

/// Opens a benchmark over its file.
pub fn open_with(
    name: &str,
    path: &Path,
    options: &Options,
) -> Result<Box<dyn Benchmark>, EvalError> {
    match BENCHMARKS.iter().find(|(known, _)| *known == name) {
        Some((name, open)) => open(name, path, options),
        None => Err(EvalError::UnknownBenchmark {
            name: name.to_owned(),
            expected: names()
                .map(|name| format!("`{name}`"))
                .collect::<Vec<_>>()
                .join(", "),
        }),
    }
}

/// The row of a task that this benchmark handed out.
fn row_of<'a, R>(tasks: &[Task], rows: &'a [R], task: &Task) -> Result<&'a R, EvalError> {
    tasks
        .iter()
        .position(|known| known.id == task.id)
        .and_then(|position| rows.get(position))
        .ok_or_else(|| EvalError::UnknownTask {
            task: task.id.clone(),
        })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::data::PromptTemplate;

    #[test]
    fn an_unknown_benchmark_is_an_error_with_the_known_ones() {
        let error = open("arena", Path::new("x")).unwrap_err();
        assert_eq!(
            error.to_string(),
            "unknown benchmark `arena`, expected one of `code_update_arena`, `mini_arena`, \
             `mini_general`, `mini_multi`, `mini_other_note`, `multi_update`, `humaneval`, `humaneval_plus`"
        );
    }

    #[test]
    fn each_benchmark_renders_its_template_and_names_what_a_replaced_one_gets_wrong() {
        let human_eval = json!({
            "task_id": "T/0", "prompt": "def f(x):\n", "entry_point": "f", "test": "",
            "canonical_solution": "    return x\n", "contract": "",
            "base_input": [[1]], "plus_input": [[2]], "atol": 0.0,
        });
        let arena = json!({
            "update": {
                "update_id": "u", "update_type": "add-argument", "function_path": "math.sqrt",
                "package": "math", "description": "", "docstring": "", "signature": "",
                "imports": "import math", "implementation": "def sqrt(x): pass",
            },
            "prog_syn_id": "t", "scenario": "", "problem": "", "solution_signature": "",
            "imports": "", "ref_solution": "x = 1", "unit_tests": "def test():\n    pass",
        });
        let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("datasets/prompts");
        let folder = tempfile::tempdir().unwrap();
        let (data, replaced) = (folder.path().join("data"), folder.path().join("mine.jinja"));
        std::fs::write(&replaced, "--- user ---\n\n{{ nonsense }}\n").unwrap();
        for name in names() {
            let (row, file) = if is_human_eval(name) {
                (&human_eval, "human_eval.jinja")
            } else {
                (&arena, "code_update_arena.jinja")
            };
            std::fs::write(&data, row.to_string()).unwrap();
            let benchmark = open(name, &data).unwrap();
            let render = |path: &Path| {
                let template = PromptTemplate::load(path).unwrap();
                template.render(&benchmark.tasks()[0].fields)
            };

            render(&shipped.join(file)).unwrap();
            let error = render(&replaced).unwrap_err().to_string();

            let place = format!("`{}`, line 3: ", replaced.display());
            assert!(
                error.contains(&place) && error.contains("`nonsense`"),
                "{name}: {error}"
            );
        }
    }
}
