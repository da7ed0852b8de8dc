//! Folders that the environment names.

use std::{env, path::PathBuf};

/// The folder that a variable names, if it is set.
pub fn named_by(variable: &str) -> Option<PathBuf> {
    env::var_os(variable)
        .filter(|value| !value.is_empty())
        .map(PathBuf::from)
}

/// The user's folder for caches: `XDG_CACHE_HOME`, else `~/.cache`.
pub fn user_caches() -> Option<PathBuf> {
    named_by("XDG_CACHE_HOME").or_else(|| Some(named_by("HOME")?.join(".cache")))
}
