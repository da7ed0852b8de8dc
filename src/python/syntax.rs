//! Whether CPython would parse a text, without a Python process.
//!
//! The parser is ruff's; this file turns it into CPython's answer. Around it stand the limits of
//! CPython's tokenizer (brackets, indents, digits) and a bound on nesting, so that no text can
//! overflow the stack: syntax trees are built and dropped by recursion.
//!
//! # Differences
//!
//! - CPython's bound on nesting moves with the depth of its caller's stack; ours is fixed.
//! - From 3.12 on CPython bounds nesting by the machine's stack; ours stays that of 3.11.

use std::borrow::Cow;

use ruff_python_ast::{
    ElifElseClause, Expr, Mod, Pattern, PythonVersion, Stmt,
    token::{self, TokenKind},
    visitor::{self, Visitor},
};
use ruff_python_parser::{Mode, ParseOptions, Parsed, lexer, parse_unchecked};

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

/// Levels of syntax tree that CPython 3.11 converts: 3 x 1,000 frames, less those of a shallow caller.
const MAX_TREE_DEPTH: usize = 2_988;
/// CPython's `MAXLEVEL`: open brackets.
const MAX_BRACKETS: usize = 200;
/// CPython's `MAXINDENT`, which counts the outermost level.
const MAX_INDENTS: usize = 99;
/// CPython's default limit on the digits of a decimal literal.
const MAX_DECIMAL_DIGITS: usize = 4_300;
/// The most levels that are parsed at all; every one of them may take `LEVEL_BYTES` of stack.
const MAX_ESTIMATE: usize = 50_000;
/// Stack that a level of the tree takes to walk and to drop, generously.
const LEVEL_BYTES: usize = 2_048;

/// Checks `source` as `ast.parse` does.
pub fn check_syntax(source: &str, grammar: Grammar) -> Result<(), SyntaxFault> {
    if let Some(at) = source.find('\0') {
        return Err(invalid("a null byte", at));
    }
    // A mark at the start of a file is skipped; at the start of a string it is a character.
    if source.starts_with('\u{feff}') {
        return Err(invalid("a byte order mark", 0));
    }
    let source = with_unix_line_ends(source);
    let shape = Shape::of(&source)?;
    shape.on_a_stack_that_fits(|| {
        let parsed = parse_unchecked(&source, options(grammar));
        first_fault(&parsed)?;
        literals_fit(&parsed, &source)?;
        if shape.estimate >= MAX_TREE_DEPTH && depth(parsed.syntax()) > MAX_TREE_DEPTH {
            return Err(SyntaxFault::TooDeep);
        }
        Ok(())
    })
}

/// Calls `read` with the tokens of `source`, whose line ends are `\n`; `None` if it nests too deeply.
pub(super) fn with_tokens<T>(source: &str, read: impl FnOnce(&[Token]) -> T) -> Option<T> {
    let shape = Shape::of(source).ok()?;
    let tokens: Vec<Token> = shape.on_a_stack_that_fits(|| {
        let parsed = parse_unchecked(source, options(Grammar::Python313));
        parsed.tokens().iter().map(Token::new).collect()
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

fn invalid(message: impl Into<String>, offset: usize) -> SyntaxFault {
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

/// Refuses decimal literals that CPython refuses to convert.
fn literals_fit(parsed: &Parsed<Mod>, source: &str) -> Result<(), SyntaxFault> {
    for token in parsed.tokens() {
        let Token { kind, start, end } = Token::new(token);
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

/// What one pass over the tokens, without a tree, tells of a text's nesting.
#[derive(Clone, Copy, Debug)]
struct Shape {
    /// No less than the depth of the syntax tree.
    estimate: usize,
}

impl Shape {
    /// Measures `source`, and refuses what CPython's tokenizer refuses for its nesting.
    fn of(source: &str) -> Result<Self, SyntaxFault> {
        let mut lexer = lexer::lex(source, Mode::Module);
        let mut nesting = Nesting::default();
        loop {
            let kind = lexer.next_token();
            if kind == TokenKind::EndOfFile {
                break;
            }
            nesting.take(kind)?;
        }
        let estimate = nesting.highest + nesting.elifs + 2 * MAX_INDENTS;
        if estimate > MAX_ESTIMATE {
            return Err(SyntaxFault::TooDeep);
        }
        Ok(Self { estimate })
    }

    fn on_a_stack_that_fits<T>(self, work: impl FnOnce() -> T) -> T {
        let bytes = self.estimate * LEVEL_BYTES;
        stacker::maybe_grow(bytes, 2 * bytes, work)
    }
}

/// Counts tokens that may stand above one another in the tree.
///
/// Within brackets a comma ends what can nest, but for lambdas, whose parameters have commas too.
#[derive(Debug)]
struct Nesting {
    /// Tokens since the last comma or line end, for every open bracket.
    counts: Vec<usize>,
    /// Whether a lambda stands at this level.
    lambdas: Vec<bool>,
    sum: usize,
    highest: usize,
    indents: usize,
    elifs: usize,
}

impl Default for Nesting {
    fn default() -> Self {
        Self {
            counts: vec![0],
            lambdas: vec![false],
            sum: 0,
            highest: 0,
            indents: 0,
            elifs: 0,
        }
    }
}

impl Nesting {
    fn take(&mut self, kind: TokenKind) -> Result<(), SyntaxFault> {
        match kind {
            TokenKind::Comment | TokenKind::NonLogicalNewline => {}
            TokenKind::Newline => self.start_line(),
            TokenKind::Indent => {
                self.indents += 1;
                if self.indents > MAX_INDENTS {
                    return Err(invalid("too many levels of indentation", 0));
                }
            }
            TokenKind::Dedent => self.indents = self.indents.saturating_sub(1),
            TokenKind::Lpar | TokenKind::Lsqb | TokenKind::Lbrace => {
                self.count();
                self.counts.push(0);
                self.lambdas.push(false);
                if self.counts.len() > MAX_BRACKETS + 1 {
                    return Err(invalid("too many nested parentheses", 0));
                }
            }
            TokenKind::Rpar | TokenKind::Rsqb | TokenKind::Rbrace if self.counts.len() > 1 => {
                self.sum -= self.counts.pop().unwrap_or_default();
                self.lambdas.pop();
            }
            TokenKind::Comma if self.counts.len() > 1 && self.lambdas.last() == Some(&false) => {
                self.sum -= self.counts.last().copied().unwrap_or_default();
                self.counts
                    .last_mut()
                    .into_iter()
                    .for_each(|count| *count = 0);
            }
            _ => {
                self.elifs += usize::from(kind == TokenKind::Elif);
                if let (TokenKind::Lambda, Some(lambda)) = (kind, self.lambdas.last_mut()) {
                    *lambda = true;
                }
                self.count();
            }
        }
        Ok(())
    }

    fn count(&mut self) {
        self.counts
            .last_mut()
            .into_iter()
            .for_each(|count| *count += 1);
        self.sum += 1;
        self.highest = self.highest.max(self.sum);
    }

    fn start_line(&mut self) {
        self.counts.truncate(1);
        self.lambdas.truncate(1);
        self.counts.fill(0);
        self.lambdas.fill(false);
        self.sum = 0;
    }
}

/// Levels of the tree as CPython counts them, where each `elif` stands inside the one before.
fn depth(syntax: &Mod) -> usize {
    let mut depth = Depth::default();
    if let Mod::Module(module) = syntax {
        depth.below(|depth| depth.visit_body(&module.body));
    }
    depth.highest
}

#[derive(Debug, Default)]
struct Depth {
    current: usize,
    highest: usize,
}

impl Depth {
    fn below(&mut self, walk: impl FnOnce(&mut Self)) {
        let outside = self.current;
        self.rise();
        walk(self);
        self.current = outside;
    }

    fn rise(&mut self) {
        self.current += 1;
        self.highest = self.highest.max(self.current);
    }
}

impl<'a> Visitor<'a> for Depth {
    fn visit_stmt(&mut self, statement: &'a Stmt) {
        self.below(|depth| visitor::walk_stmt(depth, statement));
    }

    fn visit_expr(&mut self, expression: &'a Expr) {
        self.below(|depth| visitor::walk_expr(depth, expression));
    }

    fn visit_pattern(&mut self, pattern: &'a Pattern) {
        self.below(|depth| visitor::walk_pattern(depth, pattern));
    }

    fn visit_elif_else_clause(&mut self, clause: &'a ElifElseClause) {
        // The walk visits the clauses of one `if` in order: each stays open for those after it.
        if clause.test.is_some() {
            self.rise();
        }
        visitor::walk_elif_else_clause(self, clause);
    }
}
