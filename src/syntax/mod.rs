//! Python's syntax, without a Python process: whether a text parses, its tree, its names, and its normal form.

mod cpython_rules;
mod fault;
mod grammar;
mod indentation;
mod names;
mod nesting;
mod normalize;
mod parse;
mod token;
mod white_space;

#[cfg(test)]
mod tests;

pub use fault::SyntaxFault;
pub use grammar::Grammar;
pub use names::{
    Call, Effects, Import, Names, Statement, StatementKind, bound_names, defined_names, imports,
    library_names, statements,
};
pub use normalize::{NormalizeError, normalize_fixed, normalize_published};
pub use parse::{SyntaxTree, check_syntax, with_syntax_tree};
pub use white_space::is_python_space;
