//! The process that holds a lock.

use std::{fmt, fs};

use serde::{Deserialize, Serialize};

use super::Timestamp;

/// The process that holds a lock.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Owner {
    /// Its number.
    pub pid: u32,
    /// Its machine.
    pub host: String,
    /// When it took the lock.
    pub since: Timestamp,
}

impl Owner {
    /// This process.
    pub fn this_process() -> Self {
        let host = fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
        let host = if host.trim().is_empty() {
            "this machine"
        } else {
            host.trim()
        };
        Self {
            pid: std::process::id(),
            host: host.to_owned(),
            since: Timestamp::now(),
        }
    }
}

impl fmt::Display for Owner {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "process {} on {}", self.pid, self.host)
    }
}
