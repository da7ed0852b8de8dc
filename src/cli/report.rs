//! `recode report`: prints the table of an experiment from the results that are there.

use std::{collections::BTreeSet, fs};

use clap::Args;
use serde_json::Value;

use super::{
    exit::{Exit, Failure},
    output, queue,
    spec_arguments::SpecArguments,
};
use crate::{
    plan::Plan,
    report::{ReportError, Table, write_figures},
    results::{Store, in_words},
};

/// Arguments of `recode report`.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    spec: SpecArguments,
    /// Print the table as JSON, with the jobs of every cell
    #[arg(long)]
    json: bool,
}

/// Runs `recode report`.
pub(super) fn run(arguments: &Arguments) -> Result<Exit, Failure> {
    let (_, plan) = arguments.spec.plan()?;
    let store = Store::from_environment();
    queue::record_ends(&plan, &store);
    let table = write_table(&plan, &store, Replace::NoBetterOne)?;
    output::result(&if arguments.json {
        table.to_json()
    } else {
        table.to_markdown()
    });
    Ok(Exit::Done)
}

/// Which table of the same name may be replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Replace {
    /// Any: the jobs have just run.
    Any,
    /// One with no more figures: what has not run is no reason to lose a table.
    NoBetterOne,
}

/// Makes the table of a plan, holes marked, and writes it into its folder.
///
/// A folder that cannot be written, such as that of an archive, is worth a warning: the table is
/// printed all the same.
pub(super) fn write_table(plan: &Plan, store: &Store, replace: Replace) -> Result<Table, Failure> {
    let table = Table::of(plan, store).map_err(|error| failure(&error))?;
    let folder = store.table_dir(&plan.experiment);
    let path = folder.join("table.json");
    let before = fs::read(&path).ok().and_then(|bytes| Content::of(&bytes));
    let now = Content::of(table.to_json().as_bytes()).unwrap_or_default();
    match before.map_or(Change::Fine, |before| before.change(&now)) {
        Change::LosesFigures if replace == Replace::NoBetterOne => {
            let path = path.display();
            output::error_line(&format!(
                "warning: nothing is written, because `{path}` has figures where this table has holes"
            ));
            return Ok(table);
        }
        Change::OtherJobs => {
            let path = path.display();
            output::error_line(&format!(
                "warning: this replaces `{path}`, a table of other jobs: of another spec of this name, or \
                 of other settings"
            ));
        }
        Change::LosesFigures | Change::Fine => {}
    }
    if let Some(endings) = written(table.write(&folder))? {
        let folder = folder.display();
        let endings = listed(&endings);
        output::error_line(&format!("table: {folder}/table{endings}"));
    }
    let folder = folder.join("figures");
    // The table is worth printing without them, for instance if a training's log is damaged.
    let figures = write_figures(plan, store, &folder).unwrap_or_else(|error| {
        output::error_line(&format!("warning: no figures: {}", in_words(&error)));
        Vec::new()
    });
    if !figures.is_empty() {
        let files = figures.join(", ");
        output::error_line(&format!("figures: {}/{files}", folder.display()));
    }
    Ok(table)
}

/// What `table.json` holds: how many figures, and the jobs that they are of.
#[derive(Debug, Default, PartialEq, Eq)]
struct Content {
    figures: usize,
    jobs: BTreeSet<String>,
}

/// What a new table does to an old one of its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Change {
    Fine,
    LosesFigures,
    OtherJobs,
}

impl Content {
    /// Reads a table; nothing if it is none.
    fn of(bytes: &[u8]) -> Option<Self> {
        let table: Value = serde_json::from_slice(bytes).ok()?;
        let rows = table.get("rows")?.as_array()?;
        let mut content = Self::default();
        let list = |value: &Value, key: &str| value.get(key).and_then(Value::as_array).cloned();
        for cell in rows.iter().filter_map(|row| list(row, "cells")).flatten() {
            content.figures += usize::from(cell.get("value").is_some_and(Value::is_object));
            let sources = list(&cell, "sources").unwrap_or_default();
            let job = |source: &Value| source.get("job")?.as_str().map(str::to_owned);
            content.jobs.extend(sources.iter().filter_map(job));
        }
        Some(content)
    }

    fn change(&self, now: &Self) -> Change {
        if now.figures < self.figures {
            Change::LosesFigures
        } else if self.figures > 0 && self.jobs.is_disjoint(&now.jobs) {
            Change::OtherJobs
        } else {
            Change::Fine
        }
    }
}

/// What was written; nothing, with a warning, if the folder cannot be written.
fn written<T>(result: Result<T, ReportError>) -> Result<Option<T>, Failure> {
    match result {
        Ok(written) => Ok(Some(written)),
        Err(error) if error.is_about_writing() => {
            output::error_line(&format!("warning: {}", in_words(&error)));
            Ok(None)
        }
        Err(error) => Err(failure(&error)),
    }
}

fn failure(error: &ReportError) -> Failure {
    Failure::new(Exit::Missing, error)
}

/// `.md, .csv and .json`
fn listed(endings: &[&str]) -> String {
    let endings: Vec<String> = endings.iter().map(|ending| format!(".{ending}")).collect();
    match endings.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{} and {last}", rest.join(", ")),
        _ => endings.concat(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn content(cells: &[(&str, bool)]) -> Content {
        let cells: Vec<Value> = cells
            .iter()
            .map(|(job, has_figure)| {
                let value = has_figure.then(|| json!({"mean": 0.5}));
                json!({"sources": [{"job": job}], "value": value})
            })
            .collect();
        let table = json!({"rows": [{"labels": [], "cells": cells}]});
        Content::of(table.to_string().as_bytes()).unwrap()
    }

    #[test]
    fn a_table_is_not_replaced_by_holes_and_not_in_silence_by_other_jobs() {
        let whole = content(&[("eval-1", true), ("eval-2", true)]);
        let holes = content(&[("eval-1", true), ("eval-2", false)]);
        let other = content(&[("eval-3", true), ("eval-4", true)]);

        assert_eq!(whole.change(&whole), Change::Fine);
        assert_eq!(holes.change(&whole), Change::Fine);
        assert_eq!(whole.change(&holes), Change::LosesFigures);
        assert_eq!(whole.change(&other), Change::OtherJobs);
        assert_eq!(content(&[("eval-1", false)]).change(&other), Change::Fine);
        assert_eq!(Content::of(b"{}"), None);
    }
}
