//! The benchmarks: each is tasks and a judge, one file each and one line in [`open`]'s table.

mod code_update_arena;
#[cfg(test)]
mod conformance;
mod human_eval;
mod human_eval_plus;

use std::{fmt, path::Path, time::Duration};

use serde_json::Value;

use super::{EvalError, Judgement};
use crate::python::Pool;

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
    /// What it may be counted under (the type of update).
    pub group: Option<String>,
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
}

/// A version of EvalPlus, for what it does otherwise than others.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Flavour {
    /// The development version: a test has 4 seconds.
    #[default]
    Tip,
    /// The version on `PyPI`: a test has 1 second, and no solution of HumanEval/32 passes, so that
    /// figures made with it end at 163 of 164.
    V0_3_1,
}

impl Flavour {
    /// All versions.
    pub const ALL: &[Self] = &[Self::Tip, Self::V0_3_1];

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
    ("multi_update", code_update_arena::open),
    ("humaneval", human_eval::open),
    ("humaneval_plus", human_eval_plus::open),
];

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
    use super::*;

    #[test]
    fn an_unknown_benchmark_is_an_error_with_the_known_ones() {
        let error = open("arena", Path::new("x")).unwrap_err();
        assert_eq!(
            error.to_string(),
            "unknown benchmark `arena`, expected one of `code_update_arena`, `mini_arena`, \
             `multi_update`, `humaneval`, `humaneval_plus`"
        );
    }
}
