//! `recode plan`: prints the jobs of an experiment.

use std::path::PathBuf;

use clap::Args;

use super::exit::{Exit, Failure};

/// Arguments of `recode plan`.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// The spec, such as `experiments/quickstart.toml`
    spec: PathBuf,
}

/// Runs `recode plan`.
pub(super) fn run(arguments: &Arguments) -> Result<Exit, Failure> {
    let _ = arguments;
    Err(Failure::text(Exit::Bug, "`recode plan` is not written yet"))
}
