//! Running untrusted Python under limits, with a verdict; Python syntax.

mod normalize;
mod syntax;

pub use normalize::{NormalizeError, is_python_space, normalize_fixed, normalize_published};
pub use syntax::{Grammar, SyntaxFault, check_syntax};
