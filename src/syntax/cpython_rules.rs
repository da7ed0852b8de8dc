//! CPython's rules that the parser does not have, and the one of the parser that CPython does not have.

use ruff_python_ast::{
    Expr, InterpolatedStringElement, Mod,
    token::TokenKind,
    visitor::{self, Visitor},
};
use ruff_python_parser::Parsed;
use ruff_text_size::Ranged as _;

use super::{Grammar, SyntaxFault, fault::invalid, token::Token};

/// CPython's default limit on the digits of a decimal literal.
const MAX_DECIMAL_DIGITS: usize = 4_300;

/// Replaces each `raise` before a semicolon by `pass`, because the parser refuses it and CPython does not.
///
/// All other bytes keep their places.
pub(super) fn without_raise_semicolon(source: &str, tokens: &[Token]) -> Option<String> {
    let mut text = source.to_owned();
    for pair in tokens.windows(2) {
        if let [
            Token {
                kind: TokenKind::Raise,
                start,
                end,
            },
            Token {
                kind: TokenKind::Semi,
                ..
            },
        ] = pair
        {
            text.replace_range(start..end, "pass ");
        }
    }
    (text != source).then_some(text)
}

/// Refuses decimal literals that CPython refuses to convert.
pub(super) fn literals_fit(tokens: &[Token], source: &str) -> Result<(), SyntaxFault> {
    for Token { kind, start, end } in tokens.iter().copied() {
        if kind == TokenKind::Int && end - start > MAX_DECIMAL_DIGITS {
            let text = source.get(start..end).unwrap_or_default();
            let digits = text.bytes().filter(u8::is_ascii_digit).count();
            let is_decimal = text
                .bytes()
                .all(|byte| byte.is_ascii_digit() || byte == b'_');
            if is_decimal && digits > MAX_DECIMAL_DIGITS {
                return Err(invalid("an integer of more than 4300 digits", start));
            }
        }
    }
    Ok(())
}

/// Refuses the expressions that CPython refuses and the parser accepts.
pub(super) fn expressions_fit(
    parsed: &Parsed<Mod>,
    tokens: &[Token],
    grammar: Grammar,
) -> Result<(), SyntaxFault> {
    let mut visitor = ExpressionRules {
        grammar,
        tokens,
        is_inside: false,
        fault: None,
    };
    if let Mod::Module(module) = parsed.syntax() {
        visitor.visit_body(&module.body);
    }
    visitor.fault.map_or(Ok(()), Err)
}

struct ExpressionRules<'t> {
    grammar: Grammar,
    tokens: &'t [Token],
    /// Whether there is an expression around this one.
    is_inside: bool,
    fault: Option<SyntaxFault>,
}

impl ExpressionRules<'_> {
    /// Whether the code between two places has its own brackets, or the braces of an f-string, around it.
    fn is_enclosed(&self, start: usize, end: usize) -> bool {
        let is_code = |token: &&Token| {
            !matches!(
                token.kind,
                TokenKind::Comment | TokenKind::NonLogicalNewline
            )
        };
        let first = self.tokens.partition_point(|token| token.start < start);
        let after = self.tokens.partition_point(|token| token.start < end);
        let (before, rest) = (self.tokens.get(..first), self.tokens.get(after..));
        let before = before.and_then(|tokens| tokens.iter().rev().find(is_code));
        let after = rest.and_then(|tokens| tokens.iter().find(is_code));
        match before.map(|token| token.kind) {
            Some(TokenKind::Lbrace) => true,
            Some(TokenKind::Lpar) => after.is_some_and(|token| token.kind == TokenKind::Rpar),
            _ => false,
        }
    }
}

impl<'a> Visitor<'a> for ExpressionRules<'_> {
    fn visit_expr(&mut self, expression: &'a Expr) {
        let is_yield = expression.is_yield_expr() || expression.is_yield_from_expr();
        let (start, end) = (expression.range().start(), expression.range().end());
        // `yield % x`, `(yield, x)`: within an expression a yield needs its own brackets.
        if is_yield && self.is_inside && !self.is_enclosed(start.to_usize(), end.to_usize()) {
            self.fault
                .get_or_insert(invalid("a yield without brackets", start.to_usize()));
        }
        let outside = std::mem::replace(&mut self.is_inside, true);
        visitor::walk_expr(self, expression);
        self.is_inside = outside;
    }

    fn visit_interpolated_string_element(&mut self, element: &'a InterpolatedStringElement) {
        // CPython 3.11 reads `f"{*x}"` as `(*x)`.
        if self.grammar == Grammar::Python311
            && let InterpolatedStringElement::Interpolation(field) = element
            && field.expression.is_starred_expr()
        {
            let start = field.range.start().to_usize();
            self.fault
                .get_or_insert(invalid("a starred expression in an f-string", start));
        }
        visitor::walk_interpolated_string_element(self, element);
    }
}
