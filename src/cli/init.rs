//! `recode init`: lays out what comes with the program, and writes a commented spec to start from.

use std::{
    env,
    fs::OpenOptions,
    io::{ErrorKind, Write as _},
    path::{Path, PathBuf},
};

use clap::Args;

use super::{
    exit::{Exit, Failure},
    output::{self, count},
    spec_name,
};
use crate::{
    results::in_words,
    shipped::{self, LaidOut},
    spec::Surroundings,
};

/// The spec; its name is put in place of `NAME`.
const TEMPLATE: &str = include_str!("init.toml");

const AFTER_HELP: &str = "\
Without FILE, the experiments, prompts and data that come with the program are written into the current folder:
`experiments/`, `datasets/` and `docs/spec.schema.json`, about 10 MB. With FILE they are, too, unless the current
folder is in a project. Files that are there are never changed.";

/// Arguments of `recode init`.
#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub(super) struct Arguments {
    /// A spec to write, such as `my.toml`
    file: Option<PathBuf>,
}

/// Runs `recode init`.
pub(super) fn run(arguments: &Arguments) -> Result<Exit, Failure> {
    let Some(file) = &arguments.file else {
        lay_out_here()?;
        output::result(
            "recode run quickstart  train and evaluate a tiny model, and print the table\n\
             recode run             list the experiments\n\
             recode init my.toml    write a commented spec of your own",
        );
        return Ok(Exit::Done);
    };
    // The spec names data of the project, and may be in one of its folders.
    if !file.exists() && !spec_name::is_in_project() {
        lay_out_here()?;
    }
    write_spec(file)?;
    let shown = file.display();
    output::result(&format!(
        "wrote `{shown}`: read and change it, then\n\
         recode check {shown}  report its mistakes\n\
         recode plan {shown}   list its jobs\n\
         recode run {shown}    run them, and print the table"
    ));
    Ok(Exit::Done)
}

/// Lays out what comes with the program, if a spec of it is to run where there is no project.
pub(super) fn lay_out_for(spec: &Path) -> Result<(), Failure> {
    if spec_name::is_in_project() || !spec_name::is_only_shipped(spec) {
        return Ok(());
    }
    // What is in these folders belongs to something else, so that the user decides.
    let is_taken = |folder: &&str| Path::new(folder).exists();
    if let Some(taken) = ["experiments", "datasets"].into_iter().find(is_taken) {
        let hint = format!(
            "this folder has another `{taken}`: run the command in an empty folder, or let `recode init` add its \
             files here"
        );
        return Err(spec_name::not_laid_out(spec).hint(hint));
    }
    lay_out_here()
}

/// Lays out what comes with the program in the current folder.
fn lay_out_here() -> Result<(), Failure> {
    let here = env::current_dir().unwrap_or_default();
    let root = Surroundings::root_of(Path::new("."));
    if spec_name::is_in_project() && root != here {
        let text = format!(
            "this folder is within the project `{}`, which has experiments and data",
            root.display()
        );
        return Err(Failure::text(Exit::Usage, text).hint("run `recode init` in that folder"));
    }
    let done = shipped::lay_out(Path::new("."));
    let done = done.map_err(|error| Failure::text(Exit::Missing, in_words(&error)))?;
    for line in in_lines(&done, &here) {
        output::error_line(&line);
    }
    Ok(())
}

/// What was laid out, in words.
fn in_lines(done: &LaidOut, folder: &Path) -> Vec<String> {
    let differ = done.different.iter();
    let mut lines: Vec<String> = differ
        .map(|path| format!("kept    `{path}`, which is not as it comes with the program"))
        .collect();
    let folder = folder.display();
    lines.push(match (done.written, done.same) {
        (0, same) => format!("nothing to write: {} are here already", count(same, "file")),
        (written, _) => {
            let files = count(written, "file");
            format!("wrote   experiments/, datasets/ and docs/ ({files}) into `{folder}`")
        }
    });
    lines
}

/// Writes the commented spec.
fn write_spec(path: &Path) -> Result<(), Failure> {
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
    })
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
