//! Files of samples, in EvalPlus's formats.

use std::path::Path;

use serde::{Deserialize, de::IgnoredAny};
use serde_json::{Map, Value};

use crate::{
    data::{BadLines, DataError, from_python_json, good_and_bad_lines, read_unpacked},
    eval::{EvalError, benchmark::Benchmark},
};

/// A solution of a task, to be judged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sample {
    /// The position of its task in the benchmark.
    pub task: usize,
    /// The whole solution.
    pub solution: String,
    /// Whether it was cut off at the token limit; none if the file does not record it.
    pub is_truncated: Option<bool>,
}

#[derive(Deserialize)]
struct Line {
    task_id: String,
    solution: Option<String>,
    completion: Option<String>,
    is_truncated: Option<bool>,
    finish_reason: Option<String>,
}

impl Line {
    /// As our own samples record it, or else an OpenAI-compatible endpoint.
    fn is_truncated(&self) -> Option<bool> {
        let reason = self.finish_reason.as_deref();
        self.is_truncated
            .or_else(|| reason.map(|reason| reason == "length"))
    }
}

/// Reads samples from JSON lines, plain or compressed, or from a result file of EvalPlus; also returns the
/// lines that are wrong or name an unknown task. It is an error if no line is right.
///
/// A line has a `task_id` and a `solution` or a `completion`; a completion is appended to the task's
/// own text. `is_truncated`, or a `finish_reason` of `length`, says that the model was cut off.
pub fn read_samples(
    path: &Path,
    benchmark: &dyn Benchmark,
) -> Result<(Vec<Sample>, BadLines), EvalError> {
    // Read once, because it may be a pipe.
    let bytes = read_unpacked(path).map_err(EvalError::Samples)?;
    if let Some(results) = result_file(&bytes).as_ref().and_then(samples_of_results) {
        let samples: Result<Vec<Sample>, EvalError> = results
            .into_iter()
            .map(|(id, solution)| {
                let task = position(&id, benchmark).ok_or_else(|| EvalError::Tasks {
                    path: path.to_path_buf(),
                    reasons: vec![format!("unknown task `{id}`")],
                })?;
                Ok(Sample {
                    task,
                    solution,
                    is_truncated: None,
                })
            })
            .collect();
        return Ok((samples?, BadLines(Vec::new())));
    }
    let (samples, bad) = good_and_bad_lines(&bytes, |text| samples(text, benchmark));
    let path = path.to_path_buf();
    match (samples.is_empty(), bad.0.is_empty()) {
        (false, _) => Ok((samples, bad)),
        (true, true) => Err(EvalError::Samples(DataError::NoRows { path })),
        (true, false) => Err(EvalError::Samples(DataError::BadLines { path, lines: bad })),
    }
}

/// The object of a file that may be a result file: it is one object, possibly on many lines.
fn result_file(bytes: &[u8]) -> Option<Map<String, Value>> {
    let text = str::from_utf8(bytes).ok()?.trim();
    // Most files have a whole object in each line: they are not read twice.
    let first = text.lines().next()?;
    let is_of_lines = first.len() < text.len() && from_python_json::<IgnoredAny>(first).is_ok();
    if is_of_lines {
        return None;
    }
    from_python_json(text).ok()
}

/// The samples in a result file of EvalPlus, each as the task's name and a solution.
fn samples_of_results(file: &Map<String, Value>) -> Option<Vec<(String, String)>> {
    let eval = file.get("eval")?.as_object()?;
    let mut samples = Vec::new();
    for (task, results) in eval {
        for result in results.as_array()? {
            samples.push((task.clone(), result.get("solution")?.as_str()?.to_owned()));
        }
    }
    Some(samples)
}

fn samples(text: &str, benchmark: &dyn Benchmark) -> Result<Vec<Sample>, String> {
    let object: Map<String, Value> = from_python_json(text).map_err(|error| reason(&error))?;
    let line: Line =
        serde_json::from_value(Value::Object(object)).map_err(|error| reason(&error))?;
    let task = position(&line.task_id, benchmark)
        .ok_or_else(|| format!("`{}` has no task `{}`", benchmark.name(), line.task_id))?;
    let is_truncated = line.is_truncated();
    let solution = match (line.solution, line.completion) {
        (Some(solution), _) => solution,
        (None, Some(completion)) => benchmark
            .tasks()
            .get(task)
            .map_or_else(String::new, |task| benchmark.complete(task, &completion)),
        (None, None) => return Err("missing field `solution` or `completion`".to_owned()),
    };
    Ok(vec![Sample {
        task,
        solution,
        is_truncated,
    }])
}

fn position(id: &str, benchmark: &dyn Benchmark) -> Option<usize> {
    benchmark.tasks().iter().position(|task| task.id == id)
}

/// What is wrong with a line. The reader adds the line's number; serde always says line 1.
fn reason(error: &serde_json::Error) -> String {
    error
        .to_string()
        .replace(&format!(" at line 1 column {}", error.column()), "")
}
