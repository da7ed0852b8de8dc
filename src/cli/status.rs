//! `recode status`: prints what runs, is done or has failed.

use std::path::PathBuf;

use clap::Args;

use super::exit::{Exit, Failure};

/// Arguments of `recode status`.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// The spec, such as `experiments/quickstart.toml`
    spec: PathBuf,
}

/// Runs `recode status`.
pub(super) fn run(arguments: &Arguments) -> Result<Exit, Failure> {
    let _ = arguments;
    Err(Failure::text(
        Exit::Bug,
        "`recode status` is not written yet",
    ))
}
