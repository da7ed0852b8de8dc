//! Python code without comments and blank lines, so that only code is compared.
//!
//! There are two normal forms. [`normalize_published`] is the reference code's, which finds strings and comments
//! by regular expressions; its faults are part of the paper's rewards. [`normalize_fixed`] does what was meant,
//! on Python's own tokens.
//!
//! # Differences
//!
//! Of `normalize_fixed` from `normalize_published`:
//!
//! - any number of string literals is kept as it is; the reference corrupts literals from the eleventh on, because
//!   the placeholder of the second literal is a prefix of the eleventh's;
//! - an apostrophe in a comment does not open a string;
//! - statements that are only a string (docstrings) are removed, as comments are; the reference keeps them;
//! - blank lines inside strings are kept;
//! - spaces before a removed comment and at line ends are removed;
//! - `\r\n` and `\r` end lines as `\n` does.

mod fixed;
mod published;

pub use fixed::normalize_fixed;
pub use published::{NormalizeError, normalize_published};
