//! `recode explain`: what a key of a spec or an error code means.

use clap::Args;

use super::{
    exit::{Exit, Failure},
    output,
};
use crate::spec;

/// Arguments of `recode explain`.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// A key such as `train.lr.peak` or just `peak`, a section such as `train.grpo`, or an error
    /// code such as `E101`
    word: String,
}

/// Runs `recode explain`.
pub(super) fn run(arguments: &Arguments) -> Result<Exit, Failure> {
    let text =
        spec::explain(&arguments.word).map_err(|message| Failure::text(Exit::Usage, message))?;
    output::result(&text);
    Ok(Exit::Done)
}
