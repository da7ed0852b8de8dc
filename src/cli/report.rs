//! `recode report`: prints the table of an experiment from the results that are there.

use clap::Args;

use super::{
    exit::{Exit, Failure},
    output,
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
    let table = write_table(&plan, &Store::from_environment())?;
    output::result(&if arguments.json {
        table.to_json()
    } else {
        table.to_markdown()
    });
    Ok(Exit::Done)
}

/// Makes the table of a plan, holes marked, and writes it into its folder.
///
/// A folder that cannot be written, such as that of an archive, is worth a warning: the table is
/// printed all the same.
pub(super) fn write_table(plan: &Plan, store: &Store) -> Result<Table, Failure> {
    let table = Table::of(plan, store).map_err(|error| failure(&error))?;
    let folder = store.table_dir(&plan.experiment);
    if let Some(endings) = written(table.write(&folder))? {
        let folder = folder.display();
        let endings = listed(&endings);
        output::error_line(&format!("table: {folder}/table{endings}"));
    }
    let folder = folder.join("figures");
    let figures = written(write_figures(plan, store, &folder))?.unwrap_or_default();
    if !figures.is_empty() {
        let files = figures.join(", ");
        output::error_line(&format!("figures: {}/{files}", folder.display()));
    }
    Ok(table)
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
