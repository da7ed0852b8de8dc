//! The benchmarks: each is a set of tasks and a judge, with a file of its own and a row in
//! [`BENCHMARKS`].

pub(super) mod code_update_arena;
mod human_eval;
mod human_eval_plus;
mod messages;
mod note_trust;
mod registry;
mod repairs;

pub use registry::{BENCHMARKS, Choice, Descriptor, all_libraries, find, names, open};
pub use repairs::Repairs;

use std::{fmt, time::Duration};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{EvalError, Judgement};
use crate::{digest::Digest, sandbox::Pool};

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

    /// The solution that the data set gives for the task.
    fn reference(&self, task: &Task) -> Option<String>;

    /// The input of that number in a run, as JSON, where the benchmark knows which input failed.
    fn input(&self, task: &Task, run: &str, position: usize) -> Option<String> {
        let _ = (task, run, position);
        None
    }

    /// The text of our own Python code, besides the driver, that its verdicts depend on.
    fn harness(&self) -> &'static str {
        ""
    }

    /// Judges a solution by running its tests.
    ///
    /// An error means that no verdict could be reached; a wrong solution is not an error.
    fn judge(&self, task: &Task, solution: &str, pool: &Pool) -> Result<Judgement, EvalError>;
}

/// One task of a benchmark.
#[derive(Clone, Debug, PartialEq)]
pub struct Task {
    /// Its name within the benchmark.
    pub id: String,
    /// A name shared by tasks that tend to be solved together, such as the function that an update
    /// changes.
    pub group: Option<String>,
    /// A category to count it under, such as the type of update.
    pub kind: Option<String>,
    /// The fields that a prompt template may show: an object.
    pub fields: Value,
}

/// The choices that a benchmark offers; those that it does not offer are ignored.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// A time limit for each test, in place of the benchmark's own.
    pub timeout: Option<Duration>,
    /// Whether the tests run in the solution's process, as in the published harnesses, so that the
    /// solution can change how its values are compared.
    pub is_in_process: bool,
    /// The version of EvalPlus whose rules `HumanEval+` follows.
    pub flavour: Flavour,
    /// Which repairs are made to the data of `CodeUpdateArena`.
    pub repairs: Repairs,
}

/// A version of EvalPlus, of those whose verdicts differ.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Flavour {
    /// The development version: a test may take 4 seconds.
    #[default]
    Tip,
    /// The version on `PyPI`: a test may take 1 second, and no solution of HumanEval/32 passes, so
    /// that at most 163 of the 164 tasks can be solved.
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

/// Where the random numbers of a task's solutions and tests begin, so that each solution has one
/// verdict.
fn seed_of(task: &str) -> u64 {
    let digits = Digest::of_bytes(task.as_bytes());
    // The first 16 of 64 hexadecimal digits.
    let first = digits.as_str().get(..16).unwrap_or_default();
    u64::from_str_radix(first, 16).unwrap_or_default()
}

/// The row of the data file that a task was made from.
fn row_of<'a, R>(tasks: &[Task], rows: &'a [R], task: &Task) -> Result<&'a R, EvalError> {
    tasks
        .iter()
        .position(|known| known.id == task.id)
        .and_then(|position| rows.get(position))
        .ok_or_else(|| EvalError::UnknownTask {
            task: task.id.clone(),
        })
}
