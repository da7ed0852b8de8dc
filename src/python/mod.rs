//! Running untrusted Python under limits, with a verdict; Python syntax.
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

mod contention;
mod environment;
mod error;
#[cfg(target_os = "linux")]
mod filter;
mod harness;
mod indentation;
mod interpreter;
mod nesting;
mod normalize;
mod pool;
mod program;
mod proof;
mod safeguards;
mod server;
mod settings;
mod syntax;
#[cfg(target_os = "linux")]
mod system_calls;
mod verdict;

pub use contention::are_time_limits_exact;
pub use environment::{Environment, EnvironmentError, Requirements, choose_interpreter};
pub use error::PythonError;
pub use harness::{Call, Harness, Role};
pub use interpreter::Interpreter;
pub use normalize::{NormalizeError, is_python_space, normalize_fixed, normalize_published};
pub use pool::{Pool, Program};
pub use safeguards::{Safeguard, Safeguards};
pub use settings::{Modules, Settings};
pub use syntax::{Grammar, SyntaxFault, SyntaxTree, check_syntax, with_syntax_tree};
pub use verdict::Verdict;
