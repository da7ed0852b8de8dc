//! `recode check`: prints every mistake of a spec.

use std::path::PathBuf;

use clap::Args;

use super::exit::{Exit, Failure};

/// Arguments of `recode check`.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// The spec, such as `experiments/quickstart.toml`
    spec: PathBuf,
}

/// Runs `recode check`.
pub(super) fn run(arguments: &Arguments) -> Result<Exit, Failure> {
    let _ = arguments;
    Err(Failure::text(
        Exit::Bug,
        "`recode check` is not written yet",
    ))
}
