//! What to do next, for those who do not know yet: `recode` alone, and `recode run` without a spec.

use std::{
    fs,
    path::{Path, PathBuf},
};

use super::{
    exit::Exit,
    output,
    spec_name::{is_in_project, named, shown},
};
use crate::{shipped, spec::Surroundings};

/// The name of the spec to begin with.
const QUICKSTART: &str = "quickstart";

/// The command that shows a first table.
pub(super) fn first_command() -> String {
    // Outside of a project, the first run lays out the specs that come with the program.
    let is_here = !is_in_project() || named(QUICKSTART.into()).is_file();
    let spec = if is_here { QUICKSTART } else { "SPEC" };
    format!("recode run {spec}")
}

/// Prints what `recode` alone prints: five commands.
pub(super) fn print() {
    let first = first_command();
    let rows = [
        (
            first.as_str(),
            "run the jobs of an experiment, and print its table",
        ),
        ("recode init my.toml", "write a commented spec of your own"),
        (
            "recode plan SPEC",
            "list what a spec would do, why, and how long it takes",
        ),
        ("recode doctor", "see what this machine offers and lacks"),
        ("recode --help", "list all commands"),
    ];
    let width = rows
        .iter()
        .map(|(command, _)| command.len())
        .max()
        .unwrap_or(0);
    let lines = rows.map(|(command, what)| format!("{command:width$}  {what}"));
    output::result(&lines.join("\n"));
}

/// Lists the specs of the project, or those that come with the program, as the arguments that a command lacks.
pub(super) fn list_specs(command: &str) -> Exit {
    let root = Surroundings::root_of(Path::new("."));
    let mut specs = specs(&root);
    let mut head = "these are here";
    if specs.is_empty() && !is_in_project() {
        specs = shipped_specs();
        head = "these come with the program";
    }
    if specs.is_empty() {
        let folder = root.join("experiments");
        output::error_line(&format!(
            "error: name a spec; there is none in `{}`",
            folder.display()
        ));
        output::error_line("help: to write one: recode init my.toml");
        return Exit::Usage;
    }
    output::error_line(&format!("error: name a spec; {head}:"));
    let commands: Vec<String> = specs
        .iter()
        .map(|(spec, _)| format!("{command} {spec}"))
        .collect();
    let width = commands.iter().map(String::len).max().unwrap_or(0);
    for (command, (_, description)) in commands.iter().zip(&specs) {
        let line = format!("  {command:width$}  {description}");
        output::error_line(line.trim_end());
    }
    Exit::Usage
}

/// The specs below `experiments/`, with what they are to show.
fn specs(root: &Path) -> Vec<(String, String)> {
    let folder = root.join("experiments");
    let entries = walkdir::WalkDir::new(folder)
        .sort_by_file_name()
        .into_iter();
    let paths = entries.flatten().map(walkdir::DirEntry::into_path);
    let described = |path: PathBuf| {
        let is_spec = path.extension().is_some_and(|ending| ending == "toml");
        // What is not TOML is a spec all the same: `recode check` reports its mistakes.
        let text = fs::read_to_string(&path).ok().filter(|_| is_spec)?;
        Some((shown(&path).display().to_string(), description(&text)))
    };
    paths.filter_map(described).collect()
}

/// The names of the specs that come with the program, with what they are to show; not those that only others include.
fn shipped_specs() -> Vec<(String, String)> {
    let named = |(path, text): (&str, &str)| {
        let name = path
            .trim_start_matches("experiments/")
            .trim_end_matches(".toml");
        (name.to_owned(), description(text))
    };
    let specs = shipped::experiment_texts().map(named);
    specs
        .filter(|(name, _)| !name.starts_with("presets/"))
        .collect()
}

/// The description of a spec.
fn description(text: &str) -> String {
    let table: toml::Table = text.parse().unwrap_or_default();
    let description = table.get("description").and_then(toml::Value::as_str);
    description.unwrap_or_default().to_owned()
}
