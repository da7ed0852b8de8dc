//! Who solves what: the tasks of each benchmark by the rows of the table.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::{
    eval::TaskOutcome,
    plan::{JobId, Plan},
    report::{ReportError, sheet::Sheet},
    results::Store,
};

use super::{
    parts::{Parts, Place},
    prompts::Prompts,
    samples::{Samples, task_text},
};

/// A benchmark, its runs and its tasks.
#[derive(Debug, Serialize)]
pub(super) struct BenchmarkData {
    name: String,
    runs: Vec<RunData>,
    tasks: Vec<TaskData>,
}

/// An evaluation of a row with one seed.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(super) struct RunData {
    /// The row of the table.
    row: usize,
    seed: u64,
    pub(super) job: JobId,
}

#[derive(Debug, PartialEq, Eq, Serialize)]
struct TaskData {
    id: String,
    kind: Option<String>,
    group: Option<String>,
    /// A letter for each sample of each run: P for a pass, and the first letter of another verdict.
    marks: Vec<String>,
    /// Where prompt and completions are; nothing if no run has them any more.
    part: Option<usize>,
    place: Option<usize>,
}

/// The benchmarks with a finished evaluation, those of the table's columns first.
pub(super) fn benchmarks(
    plan: &Plan,
    store: &Store,
    sheet: &Sheet,
    parts: &mut Parts,
) -> Result<Vec<BenchmarkData>, ReportError> {
    let mut names: Vec<&String> = Vec::new();
    let columns = sheet.columns.iter().map(|column| &column.benchmark);
    let others = sheet.rows.iter().flat_map(|row| row.runs.keys());
    for name in columns.chain(others) {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    let mut benchmarks = Vec::new();
    for name in names {
        let mut benchmark = grid(sheet, name);
        if benchmark.runs.is_empty() {
            continue;
        }
        add_texts(plan, store, &mut benchmark, parts)?;
        benchmarks.push(benchmark);
    }
    Ok(benchmarks)
}

/// The tasks of all runs, in the order of the first run that has them.
fn grid(sheet: &Sheet, name: &str) -> BenchmarkData {
    let mut runs = Vec::new();
    let mut outcomes = Vec::new();
    for (row, line) in sheet.rows.iter().enumerate() {
        for run in line.runs(name) {
            if let Some(outcome) = run.found.outcome() {
                outcomes.push(outcome);
                runs.push(RunData {
                    row,
                    seed: run.seed,
                    job: run.job.clone(),
                });
            }
        }
    }
    let mut places: BTreeMap<&str, usize> = BTreeMap::new();
    let mut tasks: Vec<TaskData> = Vec::new();
    for (run, outcome) in outcomes.iter().enumerate() {
        for task in &outcome.tasks {
            let place = *places.entry(&task.task_id).or_insert_with(|| {
                tasks.push(TaskData {
                    id: task.task_id.clone(),
                    kind: task.kind.clone(),
                    group: task.group.clone(),
                    marks: vec![String::new(); runs.len()],
                    part: None,
                    place: None,
                });
                tasks.len() - 1
            });
            tasks[place].marks[run] = letters(task);
        }
    }
    BenchmarkData {
        name: name.to_owned(),
        runs,
        tasks,
    }
}

fn letters(task: &TaskOutcome) -> String {
    let letter = |(place, passed): (usize, &bool)| {
        let verdict = task.verdicts.get(place).map_or("", String::as_str);
        match verdict {
            _ if *passed => 'P',
            "assertion" => 'A',
            "error" => 'E',
            "timeout" => 'T',
            "died" | "forged" => 'D',
            _ => 'U',
        }
    };
    task.passed.iter().enumerate().map(letter).collect()
}

fn add_texts(
    plan: &Plan,
    store: &Store,
    benchmark: &mut BenchmarkData,
    parts: &mut Parts,
) -> Result<(), ReportError> {
    let mut prompts = Prompts::default();
    let runs = benchmark.runs.iter().map(|run| {
        let source = prompts.source_of(plan.job(&run.job));
        (source, Samples::read(&store.job_dir(&run.job)))
    });
    let runs: Vec<(usize, Samples)> = runs.collect();
    if runs.iter().all(|(_, samples)| samples.is_empty()) {
        return Ok(());
    }
    for task in &mut benchmark.tasks {
        let text = task_text(&task.id, &prompts, &runs);
        let Place { part, place } = parts.add_task(&text)?;
        (task.part, task.place) = (Some(part), Some(place));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        report::tests::fixture::{complete, outcome, row, sheet},
        spec::Show,
    };

    #[test]
    fn tasks_are_lines_and_runs_are_letters() {
        let mut rows = complete();
        rows.push(row("dapo", vec![outcome(&[1]), outcome(&[2])]));

        let grid = grid(&sheet(Show::Value, rows), "code_update_arena");

        let runs: Vec<_> = grid.runs.iter().map(|run| (run.row, run.seed)).collect();
        assert_eq!(runs, [(0, 42), (1, 42), (2, 42), (3, 42), (3, 43)]);
        assert_eq!(grid.tasks.len(), 8);
        // By hand, from the fixture: the first task is always solved, and once in two by the first run of the
        // last row; that row has no other task. A sample without a verdict was not judged.
        assert_eq!(grid.tasks[0].marks, ["PP", "PP", "PP", "PU", "PP"]);
        assert_eq!(grid.tasks[1].marks, ["PU", "UU", "PP", "", ""]);
    }
}
