//! How deeply a text nests: CPython's limits, and a stack that is large enough.
//!
//! Syntax trees are built, walked and dropped by recursion. So a pass over the tokens, without recursion, first
//! bounds the stack that the tree may need.

use ruff_python_ast::{
    ElifElseClause, Expr, Mod, Pattern, Stmt,
    token::TokenKind,
    visitor::{self, Visitor},
};
use ruff_python_parser::{Mode, lexer};

use super::fault::{MAX_TREE_DEPTH, SyntaxFault, invalid};

/// CPython's `MAXLEVEL`: open brackets.
const MAX_BRACKETS: usize = 200;
/// CPython's `MAXINDENT`, which counts the outermost level.
const MAX_INDENTS: usize = 99;
/// The most levels that are parsed at all; each may take `LEVEL_BYTES` of stack.
const MAX_BOUND: usize = 50_000;
/// A generous bound on the stack that walking or dropping one level of the tree takes.
const LEVEL_BYTES: usize = 2_048;

/// A bound on a text's nesting, from one pass over its tokens.
#[derive(Clone, Copy, Debug)]
pub(super) struct Nesting {
    /// At least the depth of the syntax tree.
    bound: usize,
}

impl Nesting {
    /// Measures `source`; a fault if CPython's tokenizer refuses its nesting.
    pub(super) fn of(source: &str) -> Result<Self, SyntaxFault> {
        let mut lexer = lexer::lex(source, Mode::Module);
        let mut counter = Counter::default();
        loop {
            let kind = lexer.next_token();
            if kind == TokenKind::EndOfFile {
                break;
            }
            counter.take(kind)?;
        }
        let bound = counter.highest + counter.elifs + 2 * MAX_INDENTS;
        if bound > MAX_BOUND {
            return Err(SyntaxFault::TooDeep);
        }
        Ok(Self { bound })
    }

    /// Whether CPython 3.11 converts the text's tree, `syntax`.
    pub(super) fn fits(self, syntax: &Mod) -> bool {
        self.bound < MAX_TREE_DEPTH || depth(syntax) <= MAX_TREE_DEPTH
    }

    /// Runs `work`, which parses, walks or drops the text's tree, on a stack that is large enough.
    pub(super) fn on_a_stack_that_fits<T>(self, work: impl FnOnce() -> T) -> T {
        let bytes = self.bound * LEVEL_BYTES;
        stacker::maybe_grow(bytes, 2 * bytes, work)
    }
}

/// Counts tokens that may nest in one another in the tree.
///
/// Within brackets a comma ends an element, and so its nesting; not in a lambda, which has commas between its
/// parameters.
#[derive(Debug)]
struct Counter {
    /// Tokens since the last comma or line end, for every open bracket.
    counts: Vec<usize>,
    /// Whether there is a lambda, for every open bracket.
    lambdas: Vec<bool>,
    sum: usize,
    highest: usize,
    indents: usize,
    elifs: usize,
}

impl Default for Counter {
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

impl Counter {
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

/// Levels of the tree as CPython counts them: each `elif` is inside the previous one.
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
