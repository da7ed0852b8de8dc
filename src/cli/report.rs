//! `recode report`: prints the table from what is there.

use std::path::PathBuf;

use clap::Args;

use super::exit::{Exit, Failure};

/// Arguments of `recode report`.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// The spec, such as `experiments/quickstart.toml`
    spec: PathBuf,
}

/// Runs `recode report`.
pub(super) fn run(arguments: &Arguments) -> Result<Exit, Failure> {
    let _ = arguments;
    Err(Failure::text(
        Exit::Bug,
        "`recode report` is not written yet",
    ))
}
