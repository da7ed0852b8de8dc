//! `recode job`: runs one job in its folder.

use std::path::PathBuf;

use clap::Args;

use super::exit::{Exit, Failure};

/// Arguments of `recode job`.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// The job's folder
    folder: PathBuf,
}

/// Runs `recode job`.
pub(super) fn run(arguments: &Arguments) -> Result<Exit, Failure> {
    let _ = arguments;
    Err(Failure::text(Exit::Bug, "`recode job` is not written yet"))
}
