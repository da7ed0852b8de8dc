//! `HumanEval`: complete a function; its tests are one `check` function (arXiv:2107.03374).

use std::{path::Path, time::Duration};

use super::{Benchmark, Options, Task, row_of};
use crate::{
    data::{HumanEvalTask, read_human_eval},
    eval::{EvalError, Judgement, extract},
    python::{Pool, Program},
};

/// The original harness's limit.
const TIMEOUT: Duration = Duration::from_secs(3);

#[derive(Debug)]
struct HumanEval {
    name: &'static str,
    tasks: Vec<Task>,
    rows: Vec<HumanEvalTask>,
    timeout: Duration,
}

/// Opens a file of `HumanEval`, or of `HumanEval+` for its original tests.
pub(super) fn open(
    name: &'static str,
    path: &Path,
    options: &Options,
) -> Result<Box<dyn Benchmark>, EvalError> {
    let rows = read_human_eval(path).map_err(|source| EvalError::Data {
        benchmark: name.to_owned(),
        source,
    })?;
    let tasks = tasks(&rows);
    let timeout = options.timeout.unwrap_or(TIMEOUT);
    Ok(Box::new(HumanEval {
        name,
        tasks,
        rows,
        timeout,
    }))
}

/// The tasks of some rows.
pub(super) fn tasks(rows: &[HumanEvalTask]) -> Vec<Task> {
    rows.iter()
        .map(|row| Task {
            id: row.task_id.clone(),
            group: None,
            fields: row.prompt_fields(),
        })
        .collect()
}

impl Benchmark for HumanEval {
    fn name(&self) -> &'static str {
        self.name
    }

    fn tasks(&self) -> &[Task] {
        &self.tasks
    }

    fn extract(&self, task: &Task, answer: &str) -> Option<String> {
        let row = row_of(&self.tasks, &self.rows, task).ok()?;
        extract::function(answer, &row.entry_point, &row.prompt)
    }

    fn complete(&self, task: &Task, completion: &str) -> String {
        let prompt = row_of(&self.tasks, &self.rows, task).map_or("", |row| &row.prompt);
        format!("{prompt}{completion}")
    }

    fn reference(&self, task: &Task) -> Option<String> {
        let row = row_of(&self.tasks, &self.rows, task).ok()?;
        Some(format!("{}{}", row.prompt, row.canonical_solution))
    }

    fn judge(&self, task: &Task, solution: &str, pool: &Pool) -> Result<Judgement, EvalError> {
        let row = row_of(&self.tasks, &self.rows, task)?;
        let program = Program {
            source: format!("{solution}\n{}\ncheck({})", row.test, row.entry_point),
            timeout: self.timeout,
        };
        let verdict = pool.run(&program).map_err(|source| EvalError::Judge {
            task: task.id.clone(),
            source,
        })?;
        Ok(Judgement::of_tests("tests", &[verdict]))
    }
}
