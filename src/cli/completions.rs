//! `recode completions`: what a shell completes.

use clap::{Args, CommandFactory as _};
use clap_complete::{Shell, generate};

use super::{exit::Exit, output};

/// Arguments of `recode completions`.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// The shell
    #[arg(value_enum)]
    shell: Shell,
}

/// Runs `recode completions`.
pub(super) fn run(arguments: &Arguments) -> Exit {
    let mut command = super::Arguments::command();
    let mut text = Vec::new();
    generate(arguments.shell, &mut command, "recode", &mut text);
    output::result(&String::from_utf8_lossy(&text));
    Exit::Done
}
