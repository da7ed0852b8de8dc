//! Whether CPython would parse a text, and the tree of a text that it would parse.
//!
//! The parser is ruff's; this module turns its answer into CPython's.
//!
//! # Differences
//!
//! - CPython's bound on nesting moves with the depth of its caller's stack; ours is fixed.
//! - From 3.12 on CPython bounds nesting by the machine's stack; ours remains that of 3.11.

use std::borrow::Cow;

use ruff_python_ast::{Mod, ModModule, token};
use ruff_python_parser::{Mode, ParseOptions, Parsed, parse_unchecked};

use super::{
    Grammar, SyntaxFault, cpython_rules,
    fault::invalid,
    indentation,
    nesting::Nesting,
    token::{Token, tokens_of},
    white_space::with_unix_line_ends,
};

/// A module that CPython parses.
#[derive(Clone, Copy, Debug)]
pub struct SyntaxTree<'t> {
    /// The text with `\n` line ends, in which nodes and tokens have their places.
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

/// Calls `read` with the tree of `source`, on a stack that is large enough to walk the tree by recursion.
pub fn with_syntax_tree<T>(
    source: &str,
    grammar: Grammar,
    read: impl FnOnce(&SyntaxTree<'_>) -> T,
) -> Result<T, SyntaxFault> {
    // CPython skips a byte order mark at the start of a file; at the start of a string it is a character.
    if source.starts_with('\u{feff}') {
        return Err(invalid("a byte order mark", 0));
    }
    let mut source = with_unix_line_ends(source);
    if let Some(at) = source.find('\0') {
        return Err(invalid("a null byte", at));
    }
    let nesting = Nesting::of(&source)?;
    nesting.on_a_stack_that_fits(|| {
        let mut parsed = parse_unchecked(&source, options(grammar));
        if !parsed.errors().is_empty()
            && let Some(repaired) =
                cpython_rules::without_raise_semicolon(&source, &tokens_of(&parsed))
        {
            parsed = parse_unchecked(&repaired, options(grammar));
            source = Cow::Owned(repaired);
        }
        first_fault(&parsed)?;
        let tokens = tokens_of(&parsed);
        cpython_rules::literals_fit(&tokens, &source)?;
        if let Some(offset) = indentation::first_fault(&source, &tokens) {
            return Err(invalid("an inconsistent indentation", offset));
        }
        cpython_rules::expressions_fit(&parsed, &tokens, grammar)?;
        match parsed.syntax() {
            Mod::Module(module) if nesting.fits(parsed.syntax()) => Ok(read(&SyntaxTree {
                source: &source,
                tokens: parsed.tokens(),
                module,
            })),
            _ => Err(SyntaxFault::TooDeep),
        }
    })
}

/// Calls `read` with the tokens of `source`, which has `\n` line ends; `None` if it nests too deeply.
pub(super) fn with_tokens<T>(source: &str, read: impl FnOnce(&[Token]) -> T) -> Option<T> {
    let nesting = Nesting::of(source).ok()?;
    let tokens: Vec<Token> = nesting.on_a_stack_that_fits(|| {
        let parsed = parse_unchecked(source, options(Grammar::Python313));
        tokens_of(&parsed)
    });
    Some(read(&tokens))
}

fn options(grammar: Grammar) -> ParseOptions {
    ParseOptions::from(Mode::Module).with_target_version(grammar.version())
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

#[cfg(test)]
mod tests {
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
}
