//! The reward that runs code: unit tests of a row, passed or not.
//!
//! Tests and solution run in two processes that exchange plain values, so that a solution sees no test
//! and cannot change how its values are compared: what it returns is compared by a process that has run
//! no line of it. A solution that does not parse alone is not run, so that no open string or block
//! swallows what follows it.
//!
//! # What a test may use
//!
//! A test calls functions of the program, or reads its variables; arguments and results are plain values
//! (numbers, texts, lists, dictionaries, ...). A test that uses a class of the program cannot be run in
//! this way. [`TestJudge::record`] reports such a test by name.

mod batch;
mod judge;
#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};

use crate::sandbox::PythonError;

pub use batch::Case;
pub use judge::{Recorded, TestJudge};

/// The unit tests of a row.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnitTests {
    /// A program that runs before the solution, and applies the update.
    pub setup: String,
    /// Programs that raise an exception if the solution is wrong.
    pub tests: Vec<String>,
}

/// Why there is no verdict; a wrong solution is not an error.
#[derive(Debug, thiserror::Error)]
pub enum JudgeError {
    /// A test cannot be run with values that cross the border of a process.
    #[error("test {test} cannot be run: {reason}")]
    Unusable {
        /// The number of the test, from 1.
        test: usize,
        /// Why not.
        reason: String,
    },
    /// The reference does not pass its own test.
    #[error("the reference does not pass test {test}: {reason}")]
    Reference {
        /// The number of the test, from 1.
        test: usize,
        /// The exception.
        reason: String,
    },
    /// Python cannot run the tests, after several attempts.
    #[error("the tests cannot be run")]
    Python(#[from] PythonError),
}
