//! The folder of results that a command works with.
//!
//! Results belong to a project, whatever the current folder is: the same spec finds the same results.
//! `RECODE_RESULTS` names another folder.

use std::{env, path::Path};

use crate::{results::Store, spec::Surroundings};

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
