//! What to do next, for those who do not know yet: `recode` alone, and `recode run` without a spec.

use std::{
    fs,
    path::{Path, PathBuf},
};

use super::{exit::Exit, output};
use crate::spec::Surroundings;

/// The spec to begin with.
const QUICKSTART: &str = "experiments/quickstart.toml";

/// Prints what `recode` alone prints: five commands.
pub(super) fn print() {
    let root = Surroundings::root_of(Path::new("."));
    let first = if root.join(QUICKSTART).is_file() {
        format!("recode run {}", shown(&root.join(QUICKSTART)))
    } else {
        "recode run SPEC".to_owned()
    };
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

/// Lists the specs of the project, as the arguments that a command lacks.
pub(super) fn list_specs(command: &str) -> Exit {
    let root = Surroundings::root_of(Path::new("."));
    let specs = specs(&root);
    if specs.is_empty() {
        let folder = root.join("experiments");
        output::error_line(&format!(
            "error: name a spec; there is none in `{}`",
            folder.display()
        ));
        output::error_line("help: to write one: recode init my.toml");
        return Exit::Usage;
    }
    output::error_line("error: name a spec; these are here:");
    let commands: Vec<String> = specs
        .iter()
        .map(|(path, _)| format!("{command} {}", shown(path)))
        .collect();
    let width = commands.iter().map(String::len).max().unwrap_or(0);
    for (command, (_, description)) in commands.iter().zip(&specs) {
        let line = format!("  {command:width$}  {description}");
        output::error_line(line.trim_end());
    }
    Exit::Usage
}

/// The specs below `experiments/` that have a name, with what they are to show.
fn specs(root: &Path) -> Vec<(PathBuf, String)> {
    let folder = root.join("experiments");
    let entries = walkdir::WalkDir::new(folder)
        .sort_by_file_name()
        .into_iter();
    let paths = entries.flatten().map(walkdir::DirEntry::into_path);
    let described = |path: PathBuf| {
        let is_spec = path.extension().is_some_and(|ending| ending == "toml");
        // What is not TOML is a spec all the same: `recode check` reports its mistakes.
        let text = fs::read_to_string(&path).ok().filter(|_| is_spec)?;
        let table: toml::Table = text.parse().unwrap_or_default();
        let of = |key: &str| {
            table
                .get(key)
                .and_then(toml::Value::as_str)
                .map(str::to_owned)
        };
        Some((path, of("description").unwrap_or_default()))
    };
    paths.filter_map(described).collect()
}

/// A path as a user types it in the current folder.
fn shown(path: &Path) -> String {
    let current = std::env::current_dir().unwrap_or_default();
    path.strip_prefix(current)
        .unwrap_or(path)
        .display()
        .to_string()
}
