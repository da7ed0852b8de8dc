//! `recode compare`: in what two specs, tables or jobs differ, first their settings, then their measures.

mod side;

use std::{collections::BTreeSet, path::PathBuf};

use clap::Args;
use serde::Serialize;

use super::{
    exit::{Exit, Failure},
    output::{self, count},
};
use crate::{
    plan::{Difference, JobId, differences},
    report::{Paired, Parted, paired, parted, percent, points},
};
use side::{Row, Side};

/// Tasks that are listed without `--all`.
const MOST_TASKS: usize = 20;

/// Arguments of `recode compare`.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// A spec, a `table.json`, or a job
    #[arg(value_parser = super::spec_name::parser())]
    first: PathBuf,

    /// What it is compared with: changes lead from the first to the second
    #[arg(value_parser = super::spec_name::parser())]
    second: PathBuf,

    /// List the tasks that one solves more often than the other
    #[arg(long)]
    tasks: bool,

    /// List all of these tasks, however many there are
    #[arg(long, requires = "tasks")]
    all: bool,

    /// Print the same as JSON
    #[arg(long)]
    json: bool,
}

/// What `--json` prints.
#[derive(Serialize)]
struct Report {
    rows: Vec<Compared>,
    /// The rows that have no counterpart.
    only_first: Vec<String>,
    only_second: Vec<String>,
}

/// A row of each side.
#[derive(Serialize)]
struct Compared {
    first: String,
    second: String,
    /// In what their jobs differ.
    settings: Vec<Difference>,
    benchmarks: Vec<Measured>,
    /// The metrics of the last step of two trainings.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    last_step: Vec<LastStep>,
    /// Whether both are the same jobs.
    is_same: bool,
}

/// A metric of two trainings.
#[derive(Serialize)]
struct LastStep {
    metric: String,
    first: f64,
    second: f64,
}

#[derive(Serialize)]
struct Measured {
    benchmark: String,
    /// How many jobs of each side are done, and of how many.
    done: [[usize; 2]; 2],
    measures: Vec<Paired>,
    tasks: Vec<Parted>,
}

/// Runs `recode compare`.
pub(super) fn run(arguments: &Arguments) -> Result<Exit, Failure> {
    let [first, second] = [&arguments.first, &arguments.second].map(|what| Side::read(what));
    let report = compare(&first?, &second?);
    if arguments.json {
        let text = serde_json::to_string_pretty(&report);
        output::result(&text.map_err(|error| Failure::new(Exit::Bug, &error))?);
        return Ok(Exit::Done);
    }
    let most = match (arguments.tasks, arguments.all) {
        (false, _) => 0,
        (true, false) => MOST_TASKS,
        (true, true) => usize::MAX,
    };
    let names = [&arguments.first, &arguments.second].map(|what| what.display().to_string());
    output::result(&text(&report, &names, most));
    Ok(Exit::Done)
}

fn compare(first: &Side, second: &Side) -> Report {
    let (matched, mut only) = matched(&first.rows, &second.rows);
    let rows = matched
        .into_iter()
        .map(|(one, other)| compared((first, one), (second, other)));
    let name = |row: &Row| row.labels.join(" ");
    Report {
        rows: rows.collect(),
        only_second: only
            .pop()
            .unwrap_or_default()
            .into_iter()
            .map(name)
            .collect(),
        only_first: only
            .pop()
            .unwrap_or_default()
            .into_iter()
            .map(name)
            .collect(),
    }
}

/// The rows with the same labels, and those without a counterpart. Two single rows are compared whatever their
/// labels are.
fn matched<'a>(
    first: &'a [Row],
    second: &'a [Row],
) -> (Vec<(&'a Row, &'a Row)>, Vec<Vec<&'a Row>>) {
    if let ([one], [other]) = (first, second) {
        return (vec![(one, other)], Vec::new());
    }
    let find = |rows: &'a [Row], row: &Row| rows.iter().find(|other| other.labels == row.labels);
    let pairs = first
        .iter()
        .filter_map(|row| Some((row, find(second, row)?)));
    let alone = |rows: &'a [Row], others: &'a [Row]| {
        rows.iter()
            .filter(|row| find(others, row).is_none())
            .collect()
    };
    (
        pairs.collect(),
        vec![alone(first, second), alone(second, first)],
    )
}

fn compared((first, one): (&Side, &Row), (second, other): (&Side, &Row)) -> Compared {
    let mut settings: Vec<Difference> = Vec::new();
    let mut benchmarks = Vec::new();
    let mut last_step = Vec::new();
    let common: BTreeSet<&String> = one
        .jobs
        .keys()
        .filter(|name| other.jobs.contains_key(*name))
        .collect();
    // Two jobs may have been measured on different benchmarks: their settings say so.
    let pairs: Vec<(&String, &Vec<JobId>, &Vec<JobId>)> = if common.is_empty() {
        let firsts = one.jobs.iter().zip(&other.jobs).take(1);
        firsts
            .map(|((name, ours), (_, theirs))| (name, ours, theirs))
            .collect()
    } else {
        common
            .iter()
            .map(|name| (*name, &one.jobs[*name], &other.jobs[*name]))
            .collect()
    };
    for (name, ours, theirs) in pairs {
        let leaves = |side: &Side, jobs: &[JobId]| side.leaves(jobs.first()?);
        if let (Some(ours), Some(theirs)) = (leaves(first, ours), leaves(second, theirs)) {
            let found = differences(&theirs, &ours).into_iter();
            settings.extend(
                found
                    .filter(|one| settings.iter().all(|known| known.path != one.path))
                    .collect::<Vec<_>>(),
            );
        }
        let metrics = |side: &Side, jobs: &[JobId]| side.last_metrics(jobs.first()?);
        if let (Some(ours), Some(theirs)) = (metrics(first, ours), metrics(second, theirs)) {
            let both = ours.iter().filter_map(|(metric, first)| {
                Some(LastStep {
                    metric: metric.clone(),
                    first: *first,
                    second: *theirs.get(metric)?,
                })
            });
            last_step.extend(both);
        } else if !name.is_empty() && common.contains(name) {
            let (before, after) = (first.outcomes(ours), second.outcomes(theirs));
            benchmarks.push(Measured {
                benchmark: name.clone(),
                done: [[before.len(), ours.len()], [after.len(), theirs.len()]],
                measures: paired(&before, &after),
                tasks: parted(&before, &after),
            });
        }
    }
    settings.sort_by(|one, other| (one.kind, &one.path).cmp(&(other.kind, &other.path)));
    Compared {
        first: one.labels.join(" "),
        second: other.labels.join(" "),
        settings,
        benchmarks,
        last_step,
        is_same: one.jobs == other.jobs,
    }
}

fn text(report: &Report, names: &[String; 2], most: usize) -> String {
    let mut lines = vec![format!("from {} to {}", names[0], names[1])];
    let words =
        |row: &Compared| -> Vec<String> { row.settings.iter().map(ToString::to_string).collect() };
    let all: BTreeSet<Vec<String>> = report.rows.iter().map(words).collect();
    let is_shared = report.rows.len() > 1 && all.len() == 1;
    if is_shared {
        lines.push("in all rows:".to_owned());
        lines.extend(settings(all.first().unwrap_or(&Vec::new())));
    }
    for row in &report.rows {
        if row.first == row.second {
            lines.push(row.first.clone());
        } else {
            lines.push(format!("{} -> {}", row.first, row.second));
        }
        if row.is_same {
            lines.push("  the same jobs".to_owned());
            continue;
        }
        if !is_shared {
            lines.extend(settings(&words(row)));
        }
        for benchmark in &row.benchmarks {
            lines.extend(measures(benchmark, most));
        }
        for LastStep {
            metric,
            first,
            second,
        } in &row.last_step
        {
            lines.push(format!(
                "  {metric} of the last step: {first:.4} -> {second:.4}"
            ));
        }
    }
    for (rows, name) in [
        (&report.only_first, &names[0]),
        (&report.only_second, &names[1]),
    ] {
        lines.extend(rows.iter().map(|row| format!("only in {name}: {row}")));
    }
    if report.rows.is_empty() {
        lines.push("no row has the same labels in both".to_owned());
    }
    lines.join("\n")
}

fn settings(words: &[String]) -> Vec<String> {
    if words.is_empty() {
        return vec!["  the same settings and data".to_owned()];
    }
    words.iter().map(|one| format!("  {one}")).collect()
}

fn measures(benchmark: &Measured, most: usize) -> Vec<String> {
    let name = &benchmark.benchmark;
    let mut lines = Vec::new();
    let [[before, of_before], [after, of_after]] = benchmark.done;
    if before < of_before || after < of_after {
        lines.push(format!(
            "  {name}: {before} of {} and {after} of {} done",
            count(of_before, "job"),
            count(of_after, "job")
        ));
    }
    for one in &benchmark.measures {
        let symmetric = one.half_width.map(|half| format!(" ± {}", percent(half)));
        let ends = one
            .interval
            .map(|[low, high]| format!(", {} to {},", points(low), points(high)));
        let error = ends.or(symmetric);
        let chance = if one.is_distinguishable {
            ""
        } else {
            ", not distinguishable from 0"
        };
        lines.push(format!(
            "  {name} {}: {} -> {}, {}{} points{chance} ({})",
            one.metric,
            percent(one.first),
            percent(one.second),
            points(one.difference),
            error.unwrap_or_default(),
            count(one.tasks, "task")
        ));
    }
    for Parted {
        task,
        first,
        second,
    } in benchmark.tasks.iter().take(most)
    {
        lines.push(format!(
            "    {task}  {}/{} -> {}/{}",
            first[0], first[1], second[0], second[1]
        ));
    }
    let rest = benchmark.tasks.len().saturating_sub(most);
    if most > 0 && rest > 0 {
        lines.push(format!("    ... {rest} more (--all)"));
    }
    lines
}
