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

/// What is free on the disk that has a folder, or will have it; nothing if the system does not say.
pub fn free_bytes(folder: &Path) -> Option<u64> {
    let found = rustix::fs::statvfs(&existing(folder)?).ok()?;
    Some(found.f_bavail.saturating_mul(found.f_frsize))
}

/// The nearest folder around a path that is there.
pub fn existing(folder: &Path) -> Option<PathBuf> {
    let folder = std::path::absolute(folder).ok()?;
    let there = folder.ancestors().find(|folder| folder.exists())?;
    Some(there.to_path_buf())
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_that_is_not_there_has_the_room_of_the_one_around_it() {
        let folder = tempfile::tempdir().unwrap();
        // Others write to the disk meanwhile, so that the figures are not compared.
        assert!(free_bytes(folder.path()).is_some());
        assert!(free_bytes(&folder.path().join("not/yet")).is_some());
        assert!(free_bytes(Path::new("not/yet")).is_some());
    }
}
