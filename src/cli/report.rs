//! `recode report`: prints the table from what is there.

use clap::Args;

use super::{
    exit::{Exit, Failure},
    output,
    spec_arguments::SpecArguments,
};
use crate::{
    report::{ReportError, Table},
    results::Store,
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
    let plan = super::spec_arguments::plan(&experiment, &around)?;
    let store = Store::from_environment();
    let table = Table::of(&plan, &store, &around.root).map_err(|error| failure(&error))?;
    table
        .write(&store.table_dir(&plan.experiment))
        .map_err(|error| failure(&error))?;
    output::result(&if arguments.json {
        table.to_json()
    } else {
        table.to_markdown()
    });
    Ok(Exit::Done)
}

fn failure(error: &ReportError) -> Failure {
    Failure::new(Exit::Missing, error)
}
