//! `tasks.csv`: a line for each sample of each task.

use std::collections::BTreeMap;

use crate::{
    disk::JsonLines,
    eval::{EvalOutcome, SampleRecord},
    report::sheet::Run,
};

use super::{Results, csv};

/// The columns after those of the axes.
const COLUMNS: [&str; 11] = [
    "benchmark",
    "seed",
    "job",
    "task",
    "group",
    "kind",
    "sample",
    "passed",
    "verdict",
    "tokens",
    "is_truncated",
];

/// The list of samples.
pub(super) fn tasks(results: &Results<'_>) -> String {
    let headings = results.sheet.axes.iter().cloned();
    let headings = headings.chain(COLUMNS.map(str::to_owned)).collect();
    let mut lines: Vec<Vec<String>> = vec![headings];
    for row in &results.sheet.rows {
        for (benchmark, runs) in &row.runs {
            for run in runs {
                if let Some(outcome) = run.found.outcome() {
                    let before: Vec<String> =
                        row.labels.iter().chain([benchmark]).cloned().collect();
                    samples(results, run, outcome, &before, &mut lines);
                }
            }
        }
    }
    csv(lines)
}

fn samples(
    results: &Results<'_>,
    run: &Run,
    outcome: &EvalOutcome,
    before: &[String],
    lines: &mut Vec<Vec<String>>,
) {
    // The texts of samples may be gone; their number of tokens is worth having where they are not.
    let log = results.store.job_dir(&run.job).samples();
    let records: Vec<SampleRecord> = JsonLines::read(&log).unwrap_or_default();
    let records = records
        .iter()
        .map(|record| ((record.task_id.as_str(), record.index), record));
    let records: BTreeMap<_, _> = records.collect();
    for task in &outcome.tasks {
        for (index, passed) in task.passed.iter().enumerate() {
            let record = records.get(&(task.task_id.as_str(), index));
            let mut line = before.to_vec();
            line.extend([
                run.seed.to_string(),
                run.job.to_string(),
                task.task_id.clone(),
                task.group.clone().unwrap_or_default(),
                task.kind.clone().unwrap_or_default(),
                index.to_string(),
                passed.to_string(),
                task.verdicts.get(index).cloned().unwrap_or_default(),
                record.map_or_else(String::new, |record| record.tokens.to_string()),
                record.map_or_else(String::new, |record| record.is_truncated.to_string()),
            ]);
            lines.push(line);
        }
    }
}
