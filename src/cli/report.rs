//! `recode report`: prints the table from what is there.

use clap::Args;

use super::{
    exit::{Exit, Failure},
    output,
    spec_arguments::{self, SpecArguments},
};
use crate::{
    plan::Plan,
    report::{ReportError, Table, write_figures},
    results::Store,
    spec::Surroundings,
};

/// Arguments of `recode report`.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    spec: SpecArguments,
    /// Print the table as JSON, with the jobs behind every cell
    #[arg(long)]
    json: bool,
}

/// Runs `recode report`.
pub(super) fn run(arguments: &Arguments) -> Result<Exit, Failure> {
    let (experiment, around) = arguments.spec.load()?;
    let plan = spec_arguments::plan(&experiment, &around)?;
    let table = write_table(&plan, &Store::from_environment(), &around)?;
    output::result(&if arguments.json {
        table.to_json()
    } else {
        table.to_markdown()
    });
    Ok(Exit::Done)
}

/// Writes the table of a plan into its folder, holes marked, and returns it.
pub(super) fn write_table(
    plan: &Plan,
    store: &Store,
    around: &Surroundings,
) -> Result<Table, Failure> {
    let failure = |error: ReportError| Failure::new(Exit::Missing, &error);
    let table = Table::of(plan, store, &around.root).map_err(failure)?;
    let folder = store.table_dir(&plan.experiment);
    table.write(&folder).map_err(failure)?;
    let figures = write_figures(plan, store, &folder.join("figures")).map_err(failure)?;
    let folder = folder.display();
    output::error_line(&format!("table: {folder}/table.md, .csv and .json"));
    if !figures.is_empty() {
        let files = figures.join(", ");
        output::error_line(&format!("figures: {folder}/figures/{files}"));
    }
    Ok(table)
}
