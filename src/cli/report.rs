//! `recode report`: prints the table of an experiment from the results that are there.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use clap::Args;
use serde_json::Value;

use super::{
    exit::{Exit, Failure},
    output, queue, results_folder,
    spec_arguments::{self, SpecArguments},
    table_file::{self, TableFile},
    trackers::Mirror,
};
use crate::{
    plan::{JobId, Plan},
    report::{Origin, ReportError, Table, write_figures, write_lists, write_page},
    results::{Store, in_words},
    spec::{Experiment, Surroundings},
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
    let (experiment, around) = arguments.spec.load()?;
    let plan = spec_arguments::plan(&experiment, &around)?;
    let origin = origin(&arguments.spec, &experiment, &around);
    let store = results_folder::of_spec(&arguments.spec.spec);
    queue::record_ends(&plan, &store);
    let mirror = Mirror::start(&experiment.report, &plan, &store);
    let table = write_table(&plan, &store, &origin, Replace::NoBetterOne)?;
    output::result(&if arguments.json {
        table.to_json()
    } else {
        table.to_markdown()
    });
    mirror.finish();
    Ok(Exit::Done)
}

/// Keys that change how jobs run, and nothing that a table shows.
const NOT_IN_TABLES: [&str; 8] = [
    "run.slots",
    "run.rank",
    "run.nodes",
    "run.network",
    "run.needs",
    "run.engine",
    "run.slurm",
    "report.",
];

/// Where the settings of a table come from. Its spec is named from the project's folder, so that the table
/// is the same wherever that folder is.
pub(super) fn origin(
    spec: &SpecArguments,
    experiment: &Experiment,
    around: &Surroundings,
) -> Origin {
    let within = |path: &Path| {
        let (path, root) = (
            fs::canonicalize(path).ok()?,
            fs::canonicalize(&around.root).ok()?,
        );
        path.strip_prefix(root).ok().map(Path::to_owned)
    };
    let file = within(&spec.spec).or_else(|| spec.spec.file_name().map(PathBuf::from));
    let root = format!("{}/", around.root.display());
    let places = experiment.origins.iter();
    let places: BTreeMap<String, String> = places
        .map(|(key, place)| (key.clone(), place.replace(&root, "")))
        .collect();
    let variables: BTreeSet<&str> = places
        .values()
        .filter_map(|place| place.strip_prefix("environment: "))
        .collect();
    let variables = variables.into_iter().map(str::to_owned);
    let flags = spec.overrides.iter().map(|flag| format!("--set {flag}"));
    let changes = variables.chain(flags).filter(|change| matters(change));
    Origin {
        spec: file.unwrap_or_default().display().to_string(),
        changes: changes.collect(),
        places,
    }
}

/// Whether a change of the command line or the environment can change a table.
fn matters(change: &str) -> bool {
    let key = match change.strip_prefix("--set ") {
        Some(flag) => flag.trim().to_owned(),
        None => change
            .replacen("RECODE_", "", 1)
            .to_lowercase()
            .replace("__", "."),
    };
    !NOT_IN_TABLES.iter().any(|other| key.starts_with(other))
}

/// Which table of the same name may be replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Replace {
    /// Any: the jobs have just run.
    Any,
    /// One with no more figures: what has not run is no reason to lose a table.
    NoBetterOne,
}

/// Makes the table of a plan, holes marked, and writes it into its folder, with figures, lists and the page.
///
/// A folder that cannot be written, such as that of an archive, is worth a warning: the table is
/// printed all the same.
pub(super) fn write_table(
    plan: &Plan,
    store: &Store,
    origin: &Origin,
    replace: Replace,
) -> Result<Table, Failure> {
    let table = Table::of(plan, store).map_err(|error| failure(&error))?;
    warn_of_changed_logs(plan, store);
    let table = table.made_by(origin, plan);
    let folder = store.table_dir(&plan.experiment);
    let path = folder.join(table_file::NAME);
    let before = TableFile::read(&path).ok();
    let before = before.as_ref().map(Content::of);
    let now = TableFile::of_bytes(table.to_json().into_bytes());
    let now = now.as_ref().map(Content::of).unwrap_or_default();
    let path = path.display();
    match before.map_or(Change::Fine, |before| before.change(&now)) {
        Change::LosesFigures if replace == Replace::NoBetterOne => {
            output::error_line(&format!(
                "warning: nothing is written, because `{path}` has figures where this table has holes"
            ));
            return Ok(table);
        }
        Change::OtherMaker(before) => {
            output::error_line(&format!(
                "warning: this replaces `{path}`, a table of other settings or of another spec of this \
                 name: it was made from {before}"
            ));
        }
        Change::OtherJobs => {
            output::error_line(&format!(
                "warning: this replaces `{path}`, a table of other jobs: of another spec of this name, or \
                 of other settings"
            ));
        }
        Change::LosesFigures | Change::Fine => {}
    }
    if let Some(endings) = written(table.write(&folder))? {
        let endings = listed(&endings);
        output::error_line(&format!("table: {}/table{endings}", folder.display()));
        write_around(plan, store, &table, origin, &folder);
    }
    Ok(table)
}

/// Warns of the logs of finished jobs that are not what they were when the jobs ended: the curves of a table and what
/// people read are made of them.
fn warn_of_changed_logs(plan: &Plan, store: &Store) {
    let dirs = plan.jobs.iter().map(|job| store.job_dir(&job.id));
    for log in dirs
        .filter(|dir| dir.outcome().is_some())
        .flat_map(|dir| dir.changed_logs())
    {
        output::error_line(&format!("warning: {log}"));
    }
}

/// Writes what belongs to a table. The table is worth printing without it, for instance if a training's log
/// is damaged.
fn write_around(plan: &Plan, store: &Store, table: &Table, origin: &Origin, folder: &Path) {
    let name = folder.display();
    match write_figures(plan, store, &folder.join("figures")) {
        Ok(files) if files.is_empty() => {}
        Ok(files) => {
            output::error_line(&format!("figures: {name}/figures/{}", files.join(", ")));
        }
        Err(error) => warn("no figures", &error),
    }
    match write_lists(plan, store, folder) {
        Ok(files) => output::error_line(&format!("lists: {name}/{}", files.join(", "))),
        Err(error) => warn("no lists of jobs and samples", &error),
    }
    match write_page(plan, store, table, origin, folder) {
        Ok(file) => output::error_line(&format!("report: {name}/{file}")),
        Err(error) => warn("no report to click through", &error),
    }
}

fn warn(what: &str, error: &ReportError) {
    output::error_line(&format!("warning: {what}: {}", in_words(error)));
}

/// What `table.json` holds: how many figures, the jobs that they are of, and what made it.
#[derive(Debug, Default, PartialEq, Eq)]
struct Content {
    figures: usize,
    jobs: BTreeSet<JobId>,
    /// The digest of the settings, and the spec with what was changed in it.
    maker: Option<[String; 2]>,
}

/// What a new table does to an old one of its name.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Change {
    Fine,
    LosesFigures,
    /// It was made from other settings, of this spec.
    OtherMaker(String),
    OtherJobs,
}

impl Content {
    fn of(table: &TableFile) -> Self {
        let cells = table.cells();
        Self {
            figures: cells.iter().filter(|cell| cell.has_figure).count(),
            jobs: table.jobs(),
            maker: maker(table),
        }
    }

    fn change(&self, now: &Self) -> Change {
        if now.figures < self.figures {
            return Change::LosesFigures;
        }
        match (&self.maker, &now.maker) {
            _ if self.figures == 0 => Change::Fine,
            (Some([before, _]), Some([now, _])) if before == now => Change::Fine,
            (Some([_, words]), Some(_)) => Change::OtherMaker(words.clone()),
            // A table from before makers were noted.
            _ if self.jobs.is_disjoint(&now.jobs) => Change::OtherJobs,
            _ => Change::Fine,
        }
    }
}

/// The digest of the settings that made a table, and the rest in words.
fn maker(table: &TableFile) -> Option<[String; 2]> {
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let settings = text(table.maker("settings")?)?;
    let mut words = vec![text(table.maker("spec")?)?];
    let changes = table.maker("changes").and_then(Value::as_array);
    words.extend(changes.into_iter().flatten().filter_map(text));
    Some([settings, words.join(", ")])
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
        of(&table(cells))
    }

    fn of(table: &Value) -> Content {
        Content::of(&TableFile::of_bytes(table.to_string().into_bytes()).unwrap())
    }

    fn table(cells: &[(&str, bool)]) -> Value {
        let cells: Vec<Value> = cells
            .iter()
            .map(|(job, has_figure)| {
                let value = has_figure.then(|| json!({"mean": 0.5}));
                json!({"sources": [{"job": job}], "value": value})
            })
            .collect();
        json!({"rows": [{"labels": [], "cells": cells}]})
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
    }
    #[test]
    fn a_table_of_other_settings_is_not_replaced_in_silence() {
        let made_from = |spec: &str, settings: &str| {
            let mut table = table(&[("eval-1", true)]);
            table["made_by"] =
                json!({"spec": spec, "changes": ["--set a=1"], "settings": settings});
            of(&table)
        };
        let first = made_from("x.toml", "12");

        assert_eq!(first.change(&made_from("x.toml", "12")), Change::Fine);
        let words = "x.toml, --set a=1".to_owned();
        assert_eq!(
            first.change(&made_from("y.toml", "34")),
            Change::OtherMaker(words)
        );
        // A table from before makers were noted has the same job.
        assert_eq!(content(&[("eval-1", true)]).change(&first), Change::Fine);
    }

    #[test]
    fn what_only_changes_how_jobs_run_is_not_in_a_table() {
        assert!(matters("--set train.max_steps=3") && matters("RECODE_TRAIN__MAX_STEPS=3"));
        assert!(!matters("--set run.slots=2") && !matters("RECODE_RUN__SLOTS=2"));
        assert!(!matters("--set run.rank_timeout=2h") && !matters("RECODE_RUN__SLURM__QOS=x"));
        assert!(matters("--set run.seeds=[1]"));
    }
}
