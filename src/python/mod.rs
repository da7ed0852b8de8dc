//! Running untrusted Python under limits, with a verdict; Python syntax.
//!
//! A [`Pool`] keeps warm servers, one a worker and [import set](Modules); each program runs in a
//! fork of a server, without network, processes or files of the host, and passes only by a nonce
//! that it can give back once its last assertion holds (`driver.py`).
//!
//! # What it does not stop
//!
//! A program that knows this driver can read the nonce from its own descriptors before its tests
//! have run: judge and judged share one interpreter. It takes an attack on this very program; the
//! known ones on other harnesses fail.

mod contention;
mod error;
mod harness;
mod indentation;
mod interpreter;
mod nesting;
mod normalize;
mod pool;
mod safeguards;
mod server;
mod settings;
mod syntax;
#[cfg(target_os = "linux")]
mod system_calls;
mod verdict;

pub use error::PythonError;
pub use harness::{Call, Harness, Role};
pub use interpreter::Interpreter;
pub use normalize::{NormalizeError, is_python_space, normalize_fixed, normalize_published};
pub use pool::{Pool, Program};
pub use safeguards::{Safeguard, Safeguards};
pub use settings::{Modules, Settings};
pub use syntax::{Grammar, SyntaxFault, check_syntax};
pub use verdict::Verdict;
