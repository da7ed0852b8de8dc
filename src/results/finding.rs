//! What a check of results has found.

use std::fmt;

use serde::Serialize;

/// How what was found agrees with what was recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Agreement {
    /// It is what was recorded.
    Same,
    /// It is not.
    Differs,
    /// It could not be compared, which is no sign of either.
    Unchecked,
}

/// One thing that was checked, or could not be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What it is about: a job's name, `table` or `pack`.
    pub subject: String,
    /// The result.
    pub agreement: Agreement,
    /// What was compared, or why it was not, in words.
    pub what: String,
}

impl Finding {
    /// It is what was recorded.
    pub fn same(subject: impl fmt::Display, what: impl Into<String>) -> Self {
        Self::new(subject, Agreement::Same, what)
    }

    /// It is not what was recorded.
    pub fn differs(subject: impl fmt::Display, what: impl Into<String>) -> Self {
        Self::new(subject, Agreement::Differs, what)
    }

    /// It could not be compared.
    pub fn unchecked(subject: impl fmt::Display, what: impl Into<String>) -> Self {
        Self::new(subject, Agreement::Unchecked, what)
    }

    fn new(subject: impl fmt::Display, agreement: Agreement, what: impl Into<String>) -> Self {
        Self {
            subject: subject.to_string(),
            agreement,
            what: what.into(),
        }
    }
}
