//! Harnesses: Python code of ours that runs programs in another way than by `exec`.

use std::time::Duration;

use super::Modules;

/// Trusted Python code that runs programs in its own way.
///
/// It defines `prepare(data)`, which is called once in the server, and `run(argument)`, which is called in a fork of the
/// server for each program and returns a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Harness {
    /// Harnesses with equal keys have equal `code` and `data`.
    pub key: String,
    /// Its text.
    pub code: &'static str,
    /// The argument of `prepare`.
    pub data: String,
}

/// One program, run by a harness.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Call<'a> {
    /// The harness.
    pub harness: &'a Harness,
    /// The server that runs it: each role has its own, so that one harness does not know what another one knows, and
    /// two harnesses in turn do not load their data again each time.
    pub role: Role,
    /// What the program may import.
    pub modules: Modules,
    /// The argument of `run`.
    pub argument: &'a str,
    /// The program's time limit, on an idle machine.
    pub timeout: Duration,
    /// The most bytes that the answer may have.
    pub answer_bytes: usize,
}

/// The purpose of a server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// It runs programs.
    #[default]
    Candidate,
    /// It checks the answers of programs, and runs none.
    Checker,
}
