//! The folder of results that a command works with.
//!
//! Results belong to a project, whatever the current folder is: the same spec finds the same results.
//! `RECODE_RESULTS` names another folder.

use std::{env, fs, path::Path};

use crate::{disk::lock, results::Store, spec::Surroundings};

/// The results of the project of a spec.
pub(super) fn of_spec(spec: &Path) -> Store {
    let is_named = env::var_os("RECODE_RESULTS").is_some_and(|folder| !folder.is_empty());
    let root = Surroundings::root_of(spec);
    let is_here = env::current_dir().is_ok_and(|current| current == root);
    if is_named || is_here {
        // A path that is relative to the current folder is shorter to read.
        Store::from_environment()
    } else {
        Store::new(root.join("results"))
    }
}

/// The results of the project that contains the current folder.
pub(super) fn of_current_folder() -> Store {
    of_spec(Path::new("."))
}

/// The results that a table is among: those of `results` for `results/tables/x/table.json`, or else those of the
/// current project.
pub(super) fn of_table(table: &Path) -> Store {
    let table = fs::canonicalize(table).unwrap_or_else(|_| table.to_owned());
    let tables = table.parent().and_then(Path::parent);
    let tables = tables.filter(|folder| folder.ends_with("tables"));
    match tables.and_then(Path::parent) {
        Some(root) if root.join("jobs").is_dir() => Store::new(root),
        _ => of_current_folder(),
    }
}

/// What to know about the locks of files in a folder, if they do not hold.
pub(super) fn lock_weakness(folder: &Path) -> Option<String> {
    let folder = std::path::absolute(folder).ok()?;
    let folder = folder.ancestors().find(|folder| folder.is_dir())?;
    // Where nothing can be written, whatever writes first says why.
    let holds = lock::hold_in(folder).unwrap_or(true);
    (!holds).then(|| {
        format!(
            "locks of files do not hold in `{}`: a file claims each job instead, and the claim of a node that dies \
             keeps the job for two minutes",
            folder.display()
        )
    })
}
