//! Python's syntax, without a Python process: whether a text parses, its tree, and its code without comments.

mod indentation;
mod nesting;
mod normalize;
mod parse;

pub use normalize::{NormalizeError, is_python_space, normalize_fixed, normalize_published};
pub use parse::{Grammar, SyntaxFault, SyntaxTree, check_syntax, with_syntax_tree};
