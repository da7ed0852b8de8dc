//! `recode score`: scores completions against targets.

use std::path::PathBuf;

use clap::Args;

use super::exit::{Exit, Failure};

/// Arguments of `recode score`.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// JSON lines with `completion` and `target`
    file: PathBuf,
}

/// Runs `recode score`.
pub(super) fn run(arguments: &Arguments) -> Result<Exit, Failure> {
    let _ = arguments;
    Err(Failure::text(
        Exit::Bug,
        "`recode score` is not written yet",
    ))
}
