//! `runs.csv`: a line for each job, with its settings, measures and digests.
//!
//! The settings are those that the job's result depends on. No time and no machine is in it, so that equal
//! runs give equal bytes.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    plan::{Job, JobId},
    report::{gather::labels, leaves::leaves},
    results::Outcome,
};

use super::{Results, csv};

/// The list of jobs.
pub(super) fn runs(results: &Results<'_>) -> String {
    let jobs = &results.plan.jobs;
    let lines: Vec<BTreeMap<String, String>> = jobs.iter().map(|job| line(results, job)).collect();
    let first = ["job", "kind", "rows", "seed", "is_done", "result_digest"];
    let others: BTreeSet<&String> = lines.iter().flat_map(BTreeMap::keys).collect();
    let others = others
        .into_iter()
        .filter(|name| !first.contains(&name.as_str()));
    let names: Vec<String> = first
        .iter()
        .map(|name| (*name).to_owned())
        .chain(others.cloned())
        .collect();
    let fields = lines.iter().map(|line| {
        let fields = names
            .iter()
            .map(|name| line.get(name).cloned().unwrap_or_default());
        fields.collect()
    });
    csv(std::iter::once(names.clone()).chain(fields.collect::<Vec<_>>()))
}

/// What is known of a job, by the name of the column.
fn line(results: &Results<'_>, job: &Job) -> BTreeMap<String, String> {
    let outcome = results
        .store
        .job_dir(&job.id)
        .outcome_of(job)
        .ok()
        .flatten();
    let mut line = BTreeMap::from([
        ("job".to_owned(), job.id.to_string()),
        ("kind".to_owned(), job.work.kind().name().to_owned()),
        ("rows".to_owned(), rows(results, &job.id)),
        ("is_done".to_owned(), outcome.is_some().to_string()),
    ]);
    for (path, value) in leaves(&job.identity) {
        let name = match path.as_str() {
            "kind" => continue,
            "seed" => path,
            _ if path.starts_with("digests.") => path,
            _ => format!("settings.{path}"),
        };
        line.insert(name, value);
    }
    match outcome {
        Some(Outcome::Train(outcome)) => {
            line.insert("result_digest".to_owned(), outcome.model_digest.to_string());
            line.insert("measures.steps".to_owned(), outcome.steps.to_string());
            if let Some(targets) = outcome.target_log_prob {
                let measured = [
                    ("measures.target_log_prob", targets.mean.to_string()),
                    ("measures.target_log_prob.rows", targets.rows.to_string()),
                    (
                        "measures.target_log_prob.tokens",
                        targets.tokens.to_string(),
                    ),
                ];
                line.extend(measured.map(|(name, value)| (name.to_owned(), value)));
            }
            let last = outcome.final_metrics.iter();
            line.extend(
                last.map(|(name, value)| (format!("measures.last.{name}"), value.to_string())),
            );
        }
        Some(Outcome::Eval(outcome)) => {
            line.insert(
                "result_digest".to_owned(),
                outcome.samples_digest.to_string(),
            );
            let rates = outcome.metrics.iter();
            line.extend(rates.map(|(name, value)| (format!("measures.{name}"), value.to_string())));
            let counts = outcome.counts.iter();
            line.extend(counts.map(|(name, count)| (format!("counts.{name}"), count.to_string())));
        }
        None => {}
    }
    line
}

/// The rows of the table that need a job.
fn rows(results: &Results<'_>, id: &JobId) -> String {
    let mut rows: Vec<String> = Vec::new();
    for cell in &results.plan.cells {
        let is_of = cell.train.as_ref() == Some(id) || cell.evals.values().any(|job| job == id);
        let label = labels(cell, &results.plan.table.rows).join(" ");
        if is_of && !rows.contains(&label) {
            rows.push(label);
        }
    }
    rows.join("; ")
}
