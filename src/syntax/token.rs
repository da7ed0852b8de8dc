//! The parser's tokens, with the bytes that they cover.

use ruff_python_ast::{
    Mod,
    token::{self, TokenKind},
};
use ruff_python_parser::Parsed;

/// A token and the bytes it covers.
#[derive(Clone, Copy, Debug)]
pub(super) struct Token {
    pub(super) kind: TokenKind,
    pub(super) start: usize,
    pub(super) end: usize,
}

impl Token {
    fn new(token: &token::Token) -> Self {
        let (kind, range) = token.as_tuple();
        Self {
            kind,
            start: range.start().to_usize(),
            end: range.end().to_usize(),
        }
    }
}

/// All tokens of a text, comments and line breaks included.
pub(super) fn tokens_of(parsed: &Parsed<Mod>) -> Vec<Token> {
    parsed.tokens().iter().map(Token::new).collect()
}
