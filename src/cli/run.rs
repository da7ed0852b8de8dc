//! `recode run`: runs what an experiment still lacks.

use std::path::PathBuf;

use clap::Args;

use super::exit::{Exit, Failure};

/// Arguments of `recode run`.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// The spec, such as `experiments/quickstart.toml`
    spec: PathBuf,
}

/// Runs `recode run`.
pub(super) fn run(arguments: &Arguments) -> Result<Exit, Failure> {
    let _ = arguments;
    Err(Failure::text(Exit::Bug, "`recode run` is not written yet"))
}
