//! Folders that the environment names, and making one.

use std::{
    env, fs, io,
    path::{Path, PathBuf},
};

/// Creates a folder unless it is there, but none around it: a person may have removed that one.
pub fn create(path: &Path) -> io::Result<()> {
    match fs::create_dir(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        created => created,
    }
}

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
