//! `recode man`: the manual pages, one for each command.

use std::{fs, path::PathBuf};

use clap::{Args, CommandFactory as _};

use super::{
    exit::{Exit, Failure},
    output,
};

/// Arguments of `recode man`.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// The folder, such as `~/.local/share/man/man1`; it is made if it is not there
    folder: PathBuf,
}

/// Runs `recode man`.
pub(super) fn run(arguments: &Arguments) -> Result<Exit, Failure> {
    let folder = &arguments.folder;
    let made = fs::create_dir_all(folder);
    let command = super::Arguments::command();
    let written = made.and_then(|()| clap_mangen::generate_to(command, folder));
    let shown = folder.display();
    written.map_err(|error| {
        let text = format!("cannot write the manual pages into `{shown}`: {error}");
        Failure::text(Exit::Missing, text)
    })?;
    output::result(&format!("wrote the manual pages into `{shown}`"));
    Ok(Exit::Done)
}
