//! Running programs in another way than by `exec`.

use std::time::Duration;

use super::Modules;

/// Trusted Python that runs programs in its own way: it defines `prepare(data)`, called once in the
/// server, and `run(argument)`, called in a fork of it for each program, which returns a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Harness {
    /// Equal keys mean equal `code` and `data`.
    pub key: String,
    /// The Python text.
    pub code: &'static str,
    /// What `prepare` gets.
    pub data: String,
}

/// One program, run by a harness.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Call<'a> {
    /// The harness.
    pub harness: &'a Harness,
    /// Servers are kept apart by this: where one harness must not know what another one knows, and
    /// so that two which take turns do not load their data again and again.
    pub role: Role,
    /// What the program may import.
    pub modules: Modules,
    /// What `run` gets.
    pub argument: &'a str,
    /// When the program is killed, by the time that it would have taken on a quiet machine.
    pub timeout: Duration,
    /// How long the answer may be.
    pub answer_bytes: usize,
}

/// What a server is for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// It runs programs.
    #[default]
    Candidate,
    /// It looks at what programs have answered, and runs none.
    Checker,
}
