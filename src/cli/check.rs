//! `recode check`: prints every mistake of a spec.

use std::path::PathBuf;

use clap::Args;

use super::{
    exit::{Exit, Failure},
    output::{self, count},
    spec_arguments::{failure, load_file, plan, print_warnings},
};

/// Arguments of `recode check`.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// The specs, such as `experiments/*.toml`
    #[arg(required = true, value_parser = super::spec_name::parser())]
    specs: Vec<PathBuf>,
    /// Change a setting, as in `--set train.max_steps=100`; may be repeated, the last one wins
    #[arg(long = "set", value_name = "KEY=VALUE")]
    overrides: Vec<String>,
}

/// Runs `recode check`.
pub(super) fn run(arguments: &Arguments) -> Result<Exit, Failure> {
    let mut exit = Exit::Done;
    for spec in &arguments.specs {
        match load_file(spec, &arguments.overrides)? {
            Ok((experiment, around)) => {
                let plan = plan(&experiment, &around)?;
                print_warnings(&experiment, &plan);
                let (cells, jobs) = (
                    count(plan.cells.len(), "cell"),
                    count(plan.jobs.len(), "job"),
                );
                output::result(&format!("ok  {}: {cells}, {jobs}", experiment.name));
            }
            Err(mistakes) => exit = failure(&mistakes).report(),
        }
    }
    Ok(exit)
}
