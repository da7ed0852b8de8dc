//! Harnesses: Python code of ours that runs programs in another way than by `exec`.

use std::time::Duration;

use super::Modules;

/// Trusted Python code that runs programs in its own way.
///
/// It defines `prepare(data)`, which is called once in the server, and some of
///
/// - `run(argument)`, which is called in a fork of the server for each program and returns a text;
/// - `answer(argument, descriptor)`, which is called likewise, and writes a message for each answer of the program;
/// - `check(argument)`, which runs no program: one fork of the server calls it for all requests. It returns a text.
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
    /// What the program may import.
    pub modules: Modules,
    /// The argument of the harness's function.
    pub argument: &'a str,
    /// The program's time limit, on an idle machine.
    pub timeout: Duration,
    /// Where its random numbers begin.
    pub seed: u64,
}

/// What a checker replies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// The result of the harness's `check`.
    Text(String),
    /// The check did not end in time.
    Late,
    /// The system ended the checker twice, as it does when memory runs out.
    Killed,
}

/// The purpose of a server: each has its own, so that no program knows what a checker knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Role {
    /// It runs programs.
    Candidate,
    /// It checks the answers of programs, and runs none.
    Checker,
}
