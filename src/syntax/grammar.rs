//! The versions of Python whose syntax is known.

use ruff_python_ast::PythonVersion;

/// A version of Python's grammar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Grammar {
    /// CPython 3.11.
    Python311,
    /// CPython 3.13.
    Python313,
}

impl Grammar {
    pub(super) fn version(self) -> PythonVersion {
        match self {
            Self::Python311 => PythonVersion::PY311,
            Self::Python313 => PythonVersion::PY313,
        }
    }
}
