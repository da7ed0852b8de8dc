//! What a user may write for a spec: its path, or the name of an experiment, such as `quickstart` or `tiny/table1`.

use std::path::{Component, Path, PathBuf};

use clap::builder::{PathBufValueParser, TypedValueParser as _, ValueParser};

use super::exit::{Exit, Failure};
use crate::{shipped, spec::Surroundings};

/// For the arguments that are specs.
pub(super) fn parser() -> ValueParser {
    PathBufValueParser::new().map(named).into()
}

/// The path of what may be a name: of a spec in this folder, of an experiment of this project, or of one that comes
/// with the program.
pub(super) fn named(written: PathBuf) -> PathBuf {
    let mut parts = written.components();
    let is_name = parts.all(|part| matches!(part, Component::Normal(_)));
    if written.is_file() || !is_name {
        return written;
    }
    let root = project();
    let experiments = root.join("experiments");
    let mut with_ending = written.clone().into_os_string();
    with_ending.push(".toml");
    let with_ending = PathBuf::from(with_ending);
    let paths = [
        with_ending.clone(),
        experiments.join(&written),
        experiments.join(with_ending),
    ];
    if let Some(path) = paths.into_iter().find(|path| path.is_file()) {
        return shown(&path);
    }
    let shipped = written.to_str().and_then(shipped::experiment);
    shipped.map_or(written, |path| shown(&root.join(path)))
}

/// A path as a user types it in the current folder.
pub(super) fn shown(path: &Path) -> PathBuf {
    let current = std::env::current_dir().unwrap_or_default();
    path.strip_prefix(current).unwrap_or(path).to_owned()
}

/// Whether the current folder is in a project that knows its data by name.
pub(super) fn is_in_project() -> bool {
    let root = Surroundings::root_of(Path::new("."));
    root.join("datasets/manifest.toml").is_file()
}

/// The folder of the project or, where there is none, the current one, in which the experiments are laid out.
fn project() -> PathBuf {
    if is_in_project() {
        Surroundings::root_of(Path::new("."))
    } else {
        std::env::current_dir().unwrap_or_default()
    }
}

/// Whether a spec is not there, but comes with the program.
pub(super) fn is_only_shipped(spec: &Path) -> bool {
    let root = project();
    let within = spec.strip_prefix(&root).unwrap_or(spec);
    !spec.exists() && within.to_str().and_then(shipped::experiment).is_some()
}

/// Says of a spec that comes with the program that it is not in this folder.
pub(super) fn not_laid_out(spec: &Path) -> Failure {
    let root = project();
    let text = format!(
        "`{}` comes with the program, but is not in this folder",
        spec.display()
    );
    let hint = "`recode init` writes it here, with all experiments and their data";
    if std::env::current_dir().is_ok_and(|current| current == root) {
        Failure::text(Exit::Missing, text).hint(hint)
    } else {
        let root = root.display();
        Failure::text(Exit::Missing, text).hint(format!("{hint}; run it in `{root}`"))
    }
}
