//! `recode init`: writes a commented spec to start from.

use std::{
    fs::OpenOptions,
    io::{ErrorKind, Write as _},
    path::{Path, PathBuf},
};

use clap::Args;

use super::{
    exit::{Exit, Failure},
    output,
};

/// The spec; its name is put in place of `NAME`.
const TEMPLATE: &str = include_str!("init.toml");

/// Arguments of `recode init`.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// The file to write, such as `experiments/my.toml`
    #[arg(default_value = "my_experiment.toml")]
    file: PathBuf,
}

/// Runs `recode init`.
pub(super) fn run(arguments: &Arguments) -> Result<Exit, Failure> {
    let path = &arguments.file;
    let shown = path.display();
    let file = OpenOptions::new().write(true).create_new(true).open(path);
    let written = file.and_then(|mut file| file.write_all(text(path).as_bytes()));
    written.map_err(|error| {
        let failure = Failure::text(Exit::Usage, format!("cannot write `{shown}`: {error}"));
        match error.kind() {
            ErrorKind::AlreadyExists => failure.hint("name a file that is not there yet"),
            ErrorKind::NotFound => failure.hint("make its folder first"),
            _ => failure,
        }
    })?;
    output::result(&format!(
        "wrote `{shown}`: read and change it, then\n\
         recode check {shown}  report its mistakes\n\
         recode plan {shown}   list its jobs\n\
         recode run {shown}    run them, and print the table"
    ));
    Ok(Exit::Done)
}

/// The spec with the name of its file.
fn text(path: &Path) -> String {
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    let allowed = |one: char| one.is_ascii_alphanumeric() || matches!(one, '_' | '-' | '.');
    let name: String = stem.chars().filter(|one| allowed(*one)).take(64).collect();
    let name = name.trim_start_matches(['_', '-', '.']);
    let name = if name.is_empty() {
        "my_experiment"
    } else {
        name
    };
    TEMPLATE.replace("NAME", name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_the_experiment_is_that_of_the_file() {
        let first = |path: &str| {
            let text = text(Path::new(path));
            let mut names = text.lines().filter(|line| line.starts_with("name = "));
            let line = names.next().and_then(|line| line.split('#').next());
            line.map(|line| line.trim().to_owned()).unwrap()
        };

        assert_eq!(first("a/lr_sweep.toml"), "name = \"lr_sweep\"");
        assert_eq!(first("a/my file!.toml"), "name = \"myfile\"");
        assert_eq!(first("_.toml"), "name = \"my_experiment\"");
    }
}
