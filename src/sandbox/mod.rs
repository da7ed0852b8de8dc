//! Running untrusted Python under limits, with a verdict.
//!
//! A [`Pool`] keeps warm servers, one a worker and [import set](Modules); each program runs in a
//! fork of a server, without network, processes or files of the host, and passes only by a nonce
//! that it can give back once its last assertion holds (`driver.py`).
//!
//! # What it does not stop
//!
//! Judge and judged share one interpreter, so that whatever the driver does to say that the last
//! assertion holds, a program can do that knows the driver: read the nonce from its descriptors and
//! send its hash. Looking at all descriptors, frames and objects without that knowledge is not
//! enough, and is told as a forgery; `tests/fixtures/attacks.toml` has the known ways. Where a
//! benchmark compares values, [`Role::Checker`] does so in a process that runs no program, which no
//! knowledge of the driver gets around (`recode judge --strict`).

mod environment;
mod error;
mod harness;
mod pool;
mod proof;
mod safeguards;
#[cfg(target_os = "linux")]
mod seccomp;
mod server;
mod settings;
mod verdict;

pub use environment::{
    Environment, EnvironmentError, Interpreter, Requirements, choose_interpreter,
};
pub use error::PythonError;
pub use harness::{Call, Harness, Role};
pub use pool::{Pool, Program};
pub use safeguards::{Safeguard, Safeguards};
pub use server::are_time_limits_exact;
pub use settings::{Modules, Settings};
pub use verdict::Verdict;
