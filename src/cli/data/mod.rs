//! `recode data`: checks files of migrations, drafts new ones, and has them reviewed.

mod build;
mod check;
mod review;
mod row_tests;

use std::{fs, path::Path};

use clap::Subcommand;

use super::exit::{Exit, Failure};
use crate::syntax::{Grammar, check_syntax};

/// Subcommands of `recode data`.
#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Check files of migrations and print every problem with its line and field
    Check(check::Arguments),
    /// Draft migrations from release notes through an OpenAI-compatible endpoint, into a queue
    Build(build::Arguments),
    /// Accept, reject or edit the drafts of a queue, one after the other
    Review(review::Arguments),
}

impl Command {
    /// Runs the subcommand.
    pub(super) fn run(&self) -> Result<Exit, Failure> {
        match self {
            Self::Check(arguments) => check::run(arguments),
            Self::Build(arguments) => build::run(arguments),
            Self::Review(arguments) => review::run(arguments),
        }
    }
}

/// Whether a text is Python of the newest grammar, which new libraries are written for.
fn syntax(code: &str) -> Result<(), String> {
    check_syntax(code, Grammar::Python313).map_err(|fault| fault.to_string())
}

fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    fs::read(path).map_err(|error| {
        let message = format!("cannot read `{}`: {error}", path.display());
        Failure::text(Exit::Usage, message)
    })
}
