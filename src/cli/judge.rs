//! `recode judge`: judges samples of a benchmark.

use std::path::PathBuf;

use clap::Args;

use super::exit::{Exit, Failure};

/// Arguments of `recode judge`.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// The file of samples
    #[arg(long)]
    samples: PathBuf,
}

/// Runs `recode judge`.
pub(super) fn run(arguments: &Arguments) -> Result<Exit, Failure> {
    let _ = arguments;
    Err(Failure::text(
        Exit::Bug,
        "`recode judge` is not written yet",
    ))
}
