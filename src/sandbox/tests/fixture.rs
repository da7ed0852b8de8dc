//! Pools and programs for tests.

use std::time::Duration;

use crate::sandbox::{Pool, Program, Settings};

/// A pool with the default limits.
pub(super) fn pool(workers: usize) -> Pool {
    Pool::start(&Settings {
        workers,
        ..Settings::default()
    })
    .unwrap()
}

/// A program with more time than it needs.
pub(super) fn program(source: &str) -> Program {
    Program {
        source: source.to_owned(),
        timeout: Duration::from_secs(10),
        seed: 0,
    }
}
