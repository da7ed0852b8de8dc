//! The settings of a pool of Python servers.

use std::{env, path::PathBuf, thread};

/// The settings of a pool of Python servers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The interpreter: a path, or a name that is looked up on `PATH`.
    pub interpreter: PathBuf,
    /// The number of programs that run at the same time.
    pub workers: usize,
    /// All memory of one program, its files and its stack included.
    pub memory_bytes: u64,
    /// The files of one program, together; they are in memory.
    pub scratch_bytes: u64,
    /// Whether to go on if the system lacks a safeguard.
    pub is_unsandboxed_allowed: bool,
}

impl Settings {
    /// The interpreter that `RECODE_PYTHON` names, or `python3`.
    pub fn default_interpreter() -> PathBuf {
        env::var_os("RECODE_PYTHON")
            .filter(|value| !value.is_empty())
            .map_or_else(|| PathBuf::from("python3"), PathBuf::from)
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            interpreter: Self::default_interpreter(),
            workers: thread::available_parallelism().map_or(1, usize::from),
            memory_bytes: 4 << 30,
            scratch_bytes: 64 << 20,
            is_unsandboxed_allowed: false,
        }
    }
}
