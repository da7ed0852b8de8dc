//! Running untrusted Python under limits, with a verdict.
//!
//! A [`Pool`] keeps warm servers, one for each worker and [set of loaded modules](Modules). Each program runs in a fork
//! of a server, without the network, processes or files of the host. It passes only if the driver (`driver.py`) sends
//! the hash of a nonce, which it reads after the program's last assertion.
//!
//! # What it does not stop
//!
//! The driver and the program share one interpreter. So a program that knows the driver can do what the driver does:
//! read the nonce from its descriptor and send the hash. A program without that knowledge, which searches all
//! descriptors, frames and objects, does not succeed, and its message is a forgery; `tests/fixtures/attacks.toml` has the
//! known attempts. Where a benchmark compares values, a program proves nothing: it answers calls ([`Pool::answer`]),
//! this process measures the time of each, and a process that runs no program compares the answers ([`Pool::check`]).

mod environment;
mod error;
mod harness;
mod modules;
mod pool;
mod program;
mod proof;
mod safeguards;
mod server;
mod settings;
#[cfg(target_os = "linux")]
mod system_calls;
mod verdict;

#[cfg(test)]
mod tests;

pub use environment::{
    Environment, EnvironmentError, Interpreter, Requirements, choose_interpreter,
};
pub use error::PythonError;
pub use harness::{Call, Harness, Reply};
pub use modules::Modules;
pub use pool::Pool;
pub use program::Program;
pub use safeguards::{Safeguard, Safeguards};
pub use server::{Answered, Answers, AnswersEnd, Calls, are_time_limits_exact};
pub use settings::Settings;
pub use verdict::Verdict;
