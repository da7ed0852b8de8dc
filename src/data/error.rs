//! What can go wrong when data is read.

use std::{fmt, io, path::PathBuf};

use thiserror::Error;

use crate::disk::DiskError;

/// Why a file of data could not be used.
#[derive(Debug, Error)]
pub enum DataError {
    /// A file could not be opened or read.
    #[error("cannot read `{path}`")]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system says.
        #[source]
        source: io::Error,
    },
    /// A file could not be written.
    #[error("cannot write `{path}`")]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system says.
        #[source]
        source: io::Error,
    },
    /// A file of JSON lines could not be read or written.
    #[error(transparent)]
    Disk(#[from] DiskError),
    /// Some lines do not hold what they should.
    #[error("`{path}` has {lines}")]
    BadLines {
        /// The file.
        path: PathBuf,
        /// Which lines, and what is wrong with each.
        lines: BadLines,
    },
    /// The manifest is not what it should be.
    #[error("in the manifest `{path}`: {reason}")]
    Manifest {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// A prompt template has a mistake, or asks for something that the task lacks.
    #[error("the prompt template `{path}`, line {line}: {reason}")]
    Template {
        /// The file.
        path: PathBuf,
        /// Counted from 1.
        line: usize,
        /// What is wrong.
        reason: String,
    },
    /// There is no row at all.
    #[error("`{path}` has no rows, expected one JSON object a line")]
    NoRows {
        /// The file.
        path: PathBuf,
    },
}

/// The lines of a file that could not be read, in their order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadLines(pub Vec<BadLine>);

/// A line that could not be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadLine {
    /// Counted from 1.
    pub number: usize,
    /// What is wrong with it.
    pub reason: String,
}

/// Reasons that are spelt out; of further lines only the number is given.
const REASONS_SHOWN: usize = 10;

impl fmt::Display for BadLines {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plural = if self.0.len() == 1 { "line" } else { "lines" };
        write!(formatter, "{} bad {plural}: ", self.0.len())?;
        for (position, line) in self.0.iter().enumerate() {
            let separator = match position {
                0 => "",
                REASONS_SHOWN => "; and lines ",
                after if after > REASONS_SHOWN => ", ",
                _ => "; ",
            };
            formatter.write_str(separator)?;
            if position < REASONS_SHOWN {
                write!(formatter, "line {}: {}", line.number, line.reason)?;
            } else {
                write!(formatter, "{}", line.number)?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_bad_line_is_named_and_the_first_ten_are_explained() {
        let lines = (1..=12)
            .map(|number| BadLine {
                number,
                reason: format!("r{number}"),
            })
            .collect();

        let text = BadLines(lines).to_string();

        assert!(
            text.starts_with("12 bad lines: line 1: r1; line 2: r2; "),
            "{text}"
        );
        assert!(text.ends_with("; line 10: r10; and lines 11, 12"), "{text}");
    }
}
