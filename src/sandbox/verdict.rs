//! How a program ended.

use std::fmt;

use serde::{Deserialize, Serialize};

/// How a program ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "verdict", rename_all = "snake_case")]
pub enum Verdict {
    /// It ran to its last line without an exception.
    Pass,
    /// An assertion did not hold.
    Assertion {
        /// The exception's class: `AssertionError` or one derived from it.
        exception: String,
        /// The assertion's text, which may be empty.
        message: String,
    },
    /// Another exception, a syntax error or `SystemExit` ended it.
    Error {
        /// The exception's class.
        exception: String,
        /// The exception's text.
        message: String,
    },
    /// It was still running when its time was over.
    Timeout,
    /// It ended without a message.
    Died {
        /// Its exit code, if it exited by itself (`os._exit(0)`).
        #[serde(default, skip_serializing_if = "Option::is_none")]
        code: Option<i32>,
        /// The signal that ended it (out of memory, a fault in C).
        #[serde(default, skip_serializing_if = "Option::is_none")]
        signal: Option<i32>,
    },
    /// It sent a message that a program cannot honestly send.
    Forged,
}

impl Verdict {
    /// Something else killed the program: no program can send that signal, not even to itself.
    pub const KILLED: Self = Self::Died {
        code: None,
        signal: Some(9),
    };

    /// Whether it passed.
    pub fn is_pass(&self) -> bool {
        matches!(self, Self::Pass)
    }

    /// A stable name, as `serde` writes it: `pass`, `assertion`, `error`, `timeout`, `died`, `forged`.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Assertion { .. } => "assertion",
            Self::Error { .. } => "error",
            Self::Timeout => "timeout",
            Self::Died { .. } => "died",
            Self::Forged => "forged",
        }
    }

    /// One letter a test: P pass, A assertion, E error, T timeout, D died or forged.
    pub fn letter(&self) -> char {
        match self {
            Self::Pass => 'P',
            Self::Assertion { .. } => 'A',
            Self::Error { .. } => 'E',
            Self::Timeout => 'T',
            Self::Died { .. } | Self::Forged => 'D',
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Assertion { message, .. } => write!(formatter, "assertion failed: {message}"),
            Self::Error { exception, message } => write!(formatter, "{exception}: {message}"),
            Self::Died {
                code: Some(code), ..
            } => write!(formatter, "exited with code {code}"),
            Self::Died {
                signal: Some(signal),
                ..
            } => {
                write!(formatter, "ended by signal {signal}")
            }
            _ => formatter.write_str(self.name()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_verdict_is_serialised_under_its_name() {
        let exception = || "E".to_owned();
        let message = String::new;
        for verdict in [
            Verdict::Pass,
            Verdict::Assertion {
                exception: exception(),
                message: message(),
            },
            Verdict::Error {
                exception: exception(),
                message: message(),
            },
            Verdict::Timeout,
            Verdict::Died {
                code: None,
                signal: Some(9),
            },
            Verdict::Forged,
        ] {
            let written = serde_json::to_value(&verdict).unwrap();
            assert_eq!(written["verdict"], verdict.name());
        }
    }
}
