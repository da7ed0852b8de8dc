//! Samples of a benchmark, in EvalPlus's format.

use std::path::Path;

use serde::Deserialize;

use super::{EvalError, benchmark::Benchmark};
use crate::data::read_json_lines_with;

/// A solution of a task, to be judged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sample {
    /// The position of its task in the benchmark.
    pub task: usize,
    /// The whole solution.
    pub solution: String,
}

#[derive(Deserialize)]
struct Line {
    task_id: String,
    solution: Option<String>,
    completion: Option<String>,
}

/// Reads JSON lines with `task_id` and `solution` or `completion`, plain or compressed; a
/// completion gets the task's own text before it.
///
/// All lines that are wrong or name no task are told at once.
pub fn read_samples(path: &Path, benchmark: &dyn Benchmark) -> Result<Vec<Sample>, EvalError> {
    read_json_lines_with(path, |text| {
        sample(text, benchmark).map(|sample| vec![sample])
    })
    .map_err(EvalError::Samples)
}

fn sample(text: &str, benchmark: &dyn Benchmark) -> Result<Sample, String> {
    let line: Line = serde_json::from_str(text).map_err(|error| {
        let text = error.to_string();
        // Its line is always the first: the text is one line of the file.
        text.replace(&format!(" at line 1 column {}", error.column()), "")
    })?;
    let known = benchmark.tasks().iter().enumerate();
    let (position, task) = known
        .into_iter()
        .find(|(_, task)| task.id == line.task_id)
        .ok_or_else(|| format!("`{}` has no task `{}`", benchmark.name(), line.task_id))?;
    let solution = match (line.solution, line.completion) {
        (Some(solution), _) => solution,
        (None, Some(completion)) => benchmark.complete(task, &completion),
        (None, None) => return Err("missing field `solution` or `completion`".to_owned()),
    };
    Ok(Sample {
        task: position,
        solution,
    })
}
