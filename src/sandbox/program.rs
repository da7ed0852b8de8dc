//! A program to run.

use std::time::Duration;

/// A program to run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Program {
    /// Its text; it runs as by `exec(source, {})`, so `__name__` is `builtins`.
    pub source: String,
    /// Its time limit, on an idle machine: time in which it waits for a CPU does not count.
    pub timeout: Duration,
    /// Where the random numbers of `random`, numpy and torch begin, so that a program has one verdict.
    pub seed: u64,
}
