//! Whether CPython would parse a text, without a Python process.
//!
//! The parser is ruff's; this file turns what it says into CPython's answer.
//!
//! # Differences
//!
//! - CPython's bound on nesting moves with the depth of its caller's stack; ours is fixed.
//! - From 3.12 on CPython bounds nesting by the machine's stack; ours stays that of 3.11.

use std::borrow::Cow;

use ruff_python_ast::{
    Expr, InterpolatedStringElement, Mod, ModModule, PythonVersion,
    token::{self, TokenKind},
    visitor::{self, Visitor},
};
use ruff_python_parser::{Mode, ParseOptions, Parsed, parse_unchecked};
use ruff_text_size::Ranged as _;

use super::{
    indentation,
    nesting::{MAX_TREE_DEPTH, Shape},
};

/// A version of Python's grammar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Grammar {
    /// CPython 3.11.
    Python311,
    /// CPython 3.13.
    Python313,
}

impl Grammar {
    fn version(self) -> PythonVersion {
        match self {
            Self::Python311 => PythonVersion::PY311,
            Self::Python313 => PythonVersion::PY313,
        }
    }
}

/// Why a text is not a Python module.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SyntaxFault {
    /// CPython raises `SyntaxError`.
    #[error("invalid syntax at byte {offset}: {message}")]
    Invalid {
        /// What the parser says.
        message: String,
        /// Where, in the text with `\n` line ends.
        offset: usize,
    },
    /// CPython raises `RecursionError` or `MemoryError`.
    #[error("nested too deeply, expected at most {MAX_TREE_DEPTH} levels")]
    TooDeep,
}

/// CPython's default limit on the digits of a decimal literal.
const MAX_DECIMAL_DIGITS: usize = 4_300;

/// A module that CPython parses.
#[derive(Clone, Copy, Debug)]
pub struct SyntaxTree<'t> {
    /// The text with `\n` line ends; the places of nodes and tokens are those in it.
    pub source: &'t str,
    /// Its tokens, comments and line breaks included.
    pub tokens: &'t [token::Token],
    /// Its statements.
    pub module: &'t ModModule,
}

/// Checks `source` as `ast.parse` does.
pub fn check_syntax(source: &str, grammar: Grammar) -> Result<(), SyntaxFault> {
    with_syntax_tree(source, grammar, |_| ())
}

/// Calls `read` with the tree of `source`, on a stack that a walk by recursion fits on.
pub fn with_syntax_tree<T>(
    source: &str,
    grammar: Grammar,
    read: impl FnOnce(&SyntaxTree<'_>) -> T,
) -> Result<T, SyntaxFault> {
    // A mark at the start of a file is skipped; at the start of a string it is a character.
    if source.starts_with('\u{feff}') {
        return Err(invalid("a byte order mark", 0));
    }
    let mut source = with_unix_line_ends(source);
    if let Some(at) = source.find('\0') {
        return Err(invalid("a null byte", at));
    }
    let shape = Shape::of(&source)?;
    shape.on_a_stack_that_fits(|| {
        let mut parsed = parse_unchecked(&source, options(grammar));
        if !parsed.errors().is_empty()
            && let Some(repaired) = without_raise_semicolon(&source, &tokens(&parsed))
        {
            parsed = parse_unchecked(&repaired, options(grammar));
            source = Cow::Owned(repaired);
        }
        first_fault(&parsed)?;
        let tokens = tokens(&parsed);
        literals_fit(&tokens, &source)?;
        if let Some(offset) = indentation::first_fault(&source, &tokens) {
            return Err(invalid("an inconsistent indentation", offset));
        }
        overlooked(&parsed, &tokens, grammar)?;
        match parsed.syntax() {
            Mod::Module(module) if shape.fits(parsed.syntax()) => Ok(read(&SyntaxTree {
                source: &source,
                tokens: parsed.tokens(),
                module,
            })),
            _ => Err(SyntaxFault::TooDeep),
        }
    })
}

/// Calls `read` with the tokens of `source`, whose line ends are `\n`; `None` if it nests too deeply.
pub(super) fn with_tokens<T>(source: &str, read: impl FnOnce(&[Token]) -> T) -> Option<T> {
    let shape = Shape::of(source).ok()?;
    let tokens: Vec<Token> = shape.on_a_stack_that_fits(|| {
        let parsed = parse_unchecked(source, options(Grammar::Python313));
        tokens(&parsed)
    });
    Some(read(&tokens))
}

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

/// Replaces `\r\n` and `\r` by `\n`, as CPython's tokenizer does before all else.
pub(super) fn with_unix_line_ends(source: &str) -> Cow<'_, str> {
    if source.contains('\r') {
        Cow::Owned(source.replace("\r\n", "\n").replace('\r', "\n"))
    } else {
        Cow::Borrowed(source)
    }
}

fn options(grammar: Grammar) -> ParseOptions {
    ParseOptions::from(Mode::Module).with_target_version(grammar.version())
}

pub(super) fn invalid(message: impl Into<String>, offset: usize) -> SyntaxFault {
    SyntaxFault::Invalid {
        message: message.into(),
        offset,
    }
}

fn first_fault(parsed: &Parsed<Mod>) -> Result<(), SyntaxFault> {
    if let Some(error) = parsed.errors().first() {
        return Err(invalid(
            error.error.to_string(),
            error.location.start().to_usize(),
        ));
    }
    match parsed.unsupported_syntax_errors().first() {
        Some(error) => Err(invalid(error.to_string(), error.range.start().to_usize())),
        None => Ok(()),
    }
}

fn tokens(parsed: &Parsed<Mod>) -> Vec<Token> {
    parsed.tokens().iter().map(Token::new).collect()
}

/// Writes `pass` for a `raise` that a semicolon follows, which the parser refuses; the rest stays
/// in its place.
fn without_raise_semicolon(source: &str, tokens: &[Token]) -> Option<String> {
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
fn literals_fit(tokens: &[Token], source: &str) -> Result<(), SyntaxFault> {
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

/// Refuses what CPython refuses and the parser lets pass.
fn overlooked(parsed: &Parsed<Mod>, tokens: &[Token], grammar: Grammar) -> Result<(), SyntaxFault> {
    let mut visitor = Overlooked {
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

struct Overlooked<'t> {
    grammar: Grammar,
    tokens: &'t [Token],
    /// Whether there is an expression around this one.
    is_inside: bool,
    fault: Option<SyntaxFault>,
}

impl Overlooked<'_> {
    /// Whether what lies between two places has brackets, or the braces of an f-string, of its own.
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

impl<'a> Visitor<'a> for Overlooked<'_> {
    fn visit_expr(&mut self, expression: &'a Expr) {
        let is_yield = expression.is_yield_expr() || expression.is_yield_from_expr();
        let (start, end) = (expression.range().start(), expression.range().end());
        // `yield % x`, `(yield, x)`: within an expression a yield needs brackets of its own.
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

#[cfg(test)]
mod tests {
    use std::{
        env,
        io::{BufRead as _, BufReader},
        process::{Command, Stdio},
    };

    use super::*;

    fn parses(source: &str) -> bool {
        check_syntax(source, Grammar::Python311).is_ok()
    }

    /// Oracle: `ast.parse` of CPython 3.11 at a module's top level: 2,988 signs parse, 2,989 raise
    /// `RecursionError`; likewise terms of a sum.
    #[test]
    fn trees_are_bounded_as_in_cpython() {
        let minus = |count| check_syntax(&("-".repeat(count) + "1"), Grammar::Python311);
        assert_eq!(
            [minus(2_985), minus(3_100)],
            [Ok(()), Err(SyntaxFault::TooDeep)]
        );
        let sum = |count| check_syntax(&("1".to_owned() + &"+1".repeat(count)), Grammar::Python311);
        assert_eq!(
            [sum(2_985), sum(3_100)],
            [Ok(()), Err(SyntaxFault::TooDeep)]
        );
    }

    /// Oracle: CPython's `MAXLEVEL` (200 brackets) and `MAXINDENT` (100 levels).
    #[test]
    fn brackets_and_indents_are_bounded_as_in_cpython() {
        let brackets = |count| parses(&("(".repeat(count) + &")".repeat(count)));
        assert_eq!([brackets(200), brackets(201)], [true, false]);
        let indents = |count| {
            let lines = (0..count).map(|depth| " ".repeat(depth) + "if 1:\n");
            parses(&(lines.collect::<Vec<_>>().concat() + &" ".repeat(count) + "x"))
        };
        assert_eq!([indents(99), indents(100)], [true, false]);
    }

    #[test]
    fn each_version_has_its_own_grammar() {
        for (source, is_311, is_313) in [
            ("type X = int", false, true),
            ("def f[T](x: T): pass", false, true),
            ("f'{*x}'", false, true),
            ("f'{x['a']}'", false, true),
            ("match x:\n    case 1: pass", true, true),
            ("print 1", false, false),
            ("x = yield % 1", false, false),
            ("x = (yield) % 1", true, true),
            ("f((yield, 2))", false, false),
            ("f(((yield), 2))", true, true),
            ("f'{yield}'", true, true),
            ("if x: raise ; y", true, true),
            ("if x:\n    y\n \t  z", false, false),
            ("if x:\n\ty\n        z", false, false),
            ("if x:\n\tif y:\n\t    z\n\telse:\n\t\tz", true, true),
            (
                "class A:\n \t     def f(self):\n        return 1",
                false,
                false,
            ),
        ] {
            let both = [Grammar::Python311, Grammar::Python313]
                .map(|grammar| check_syntax(source, grammar).is_ok());
            assert_eq!(both, [is_311, is_313], "{source}");
        }
    }

    #[test]
    fn a_null_byte_a_byte_order_mark_and_a_huge_literal_are_no_syntax() {
        assert!(!parses("x\0") && !parses("\u{feff}x"));
        assert!(parses(&"9".repeat(4_300)) && !parses(&"9".repeat(4_301)));
        assert!(parses(&("0x".to_owned() + &"9".repeat(5_000))));
    }

    #[derive(serde::Deserialize)]
    struct Case {
        source: String,
        /// Nothing where CPython raises `RecursionError` or `MemoryError`.
        parses: Option<bool>,
    }

    /// Compares with the `python3` of this machine, or the one that `RECODE_PYTHON` names.
    #[test]
    #[ignore = "needs Python 3.11 to 3.13: just conformance"]
    fn conformance_of_the_syntax_check_with_cpython() {
        let setting = |name, default: &str| env::var(name).unwrap_or_else(|_| default.to_owned());
        let python = setting("RECODE_PYTHON", "python3");
        let version = ["-c", "import sys; print(sys.version_info >= (3, 12))"];
        let is_new = Command::new(&python).args(version).output().unwrap().stdout == b"True\n";
        let grammar = if is_new {
            Grammar::Python313
        } else {
            Grammar::Python311
        };
        let mut child = Command::new(&python)
            .arg(concat!(
                env!("CARGO_MANIFEST_DIR"),
                "/tests/fixtures/syntax_cases.py"
            ))
            .args([
                setting("RECODE_SEED", "1"),
                setting("RECODE_CASES", "10000"),
            ])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut wrong = Vec::new();
        let mut count = 0;
        for line in BufReader::new(child.stdout.take().unwrap()).lines() {
            let Ok(case) = serde_json::from_str::<Case>(&line.unwrap()) else {
                continue;
            };
            count += 1;
            let ours = check_syntax(&case.source, grammar);
            if ours.is_ok() != case.parses.unwrap_or(false) {
                let source: String = case.source.chars().take(400).collect();
                wrong.push(format!(
                    "CPython {:?}, ours {ours:?}: {source:?}",
                    case.parses
                ));
            }
        }
        child.wait().unwrap();
        assert!(
            count > 10_000 && wrong.is_empty(),
            "{} of {count}\n{}",
            wrong.len(),
            wrong.join("\n")
        );
    }
}
