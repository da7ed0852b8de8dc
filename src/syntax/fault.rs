//! Why a text is not a Python module.

/// Levels of the syntax tree that CPython 3.11 converts: 3 x 1,000 frames, less those of a shallow caller.
pub(super) const MAX_TREE_DEPTH: usize = 2_988;

/// Why a text is not a Python module.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SyntaxFault {
    /// CPython raises `SyntaxError`.
    #[error("invalid syntax at byte {offset}: {message}")]
    Invalid {
        /// What the parser reports.
        message: String,
        /// The byte of the fault, in the text with `\n` line ends.
        offset: usize,
    },
    /// CPython raises `RecursionError` or `MemoryError`.
    #[error("nested too deeply, expected at most {MAX_TREE_DEPTH} levels")]
    TooDeep,
}

pub(super) fn invalid(message: impl Into<String>, offset: usize) -> SyntaxFault {
    SyntaxFault::Invalid {
        message: message.into(),
        offset,
    }
}
