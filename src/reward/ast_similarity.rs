//! The similarity of the syntax trees of the code and the target.
//!
//! Each tree becomes the list of its nodes, every node before its children (pre-order), and the lists are compared by
//! edit distance. The label of a node consists of its kind, its own source text without that of its children, and the
//! places of the children in that text; so two lists are equal only if the trees are. Comments, blank lines, brackets,
//! commas, the quotes of strings and statements that are only a string (docstrings) are left out: changes by a
//! formatter cost nothing, and a renamed function costs one node, however long its name.
//!
//! The edit distance of pre-order lists never exceeds that of the trees (Guha et al., *Approximate XML Joins*, 2002).
//! Its algorithm is bit-parallel, while that for trees (Zhang and Shasha) is cubic.
//!
//! # Differences
//!
//! - The nodes are those of ruff's parser: `elif` differs from `else` with an `if` in it, and `f'a' 'b'` from `f'ab'`,
//!   which are equal in CPython.
//! - Not in the paper: with `published`, the trees are those of the published normal form.

use std::{collections::HashMap, fmt::Write as _};

use rapidfuzz::distance::levenshtein;
use ruff_python_ast::{
    AnyNodeRef, Number, StmtExpr,
    token::{Token, TokenKind},
    visitor::source_order::{SourceOrderVisitor, TraversalSignal},
};
use ruff_text_size::Ranged as _;

use crate::syntax::SyntaxTree;

use super::{Detail, Fault, Measured, NOT_RUNNABLE, Pair, Reward, pair::NoCode};

/// The most pairs of nodes that are compared: two trees of 92,000 nodes, or about 10,000 lines each.
const MAX_PAIRS: u64 = 1 << 33;

/// AST: `1 - edits / nodes of the larger tree`; 0 for what does not parse.
#[derive(Debug)]
pub(super) struct AstSimilarity;

/// AST*: `3.5 AST - 1.5` for code that parses, -2 for what does not, like ES*.
#[derive(Debug)]
pub(super) struct AstSimilarityStar;

impl Reward for AstSimilarity {
    fn correctness(&self, pair: &Pair<'_>) -> Measured {
        scored(pair, [0.0, 0.0], |similarity| similarity)
    }
}

impl Reward for AstSimilarityStar {
    fn correctness(&self, pair: &Pair<'_>) -> Measured {
        scored(pair, [NOT_RUNNABLE, -1.5], |similarity| {
            similarity * 3.5 - 1.5
        })
    }
}

/// The scaled similarity, or the score without a tree of the completion, or of the target.
fn scored(
    pair: &Pair<'_>,
    [without_code, without_target]: [f64; 2],
    scale: impl Fn(f64) -> f64,
) -> Measured {
    let mut labels = Labels::default();
    let code = match pair.code_tree(|tree| labels.of(tree)) {
        Ok(code) => code,
        Err(failure) => return failure.measured(without_code),
    };
    let target = match pair.target_tree(|tree| labels.of(tree)) {
        Ok(target) => target,
        Err(failure) => return failure.measured(without_target),
    };
    match similarity(&code, &target) {
        Some(similarity) => Measured::new(scale(similarity), Detail::Compared { similarity }),
        None => NoCode::Raises(Fault::TooManyNodes).measured(without_target),
    }
}

/// `1 - edits / length of the longer`, 1 for two empty lists; `None` beyond [`MAX_PAIRS`].
fn similarity(a: &[u32], b: &[u32]) -> Option<f64> {
    if a.len() as u64 * b.len() as u64 > MAX_PAIRS {
        return None;
    }
    let longest = a.len().max(b.len()).max(1);
    let distance = levenshtein::distance(a.iter().copied(), b.iter().copied());
    Some(1.0 - distance as f64 / longest as f64)
}

/// Numbers for the labels of two trees: equal labels have equal numbers.
#[derive(Debug, Default)]
struct Labels {
    numbers: HashMap<String, u32>,
}

impl Labels {
    /// The labels of a tree's nodes in pre-order, without the module itself.
    fn of(&mut self, tree: &SyntaxTree<'_>) -> Vec<u32> {
        let mut walk = Walk {
            labels: self,
            source: tree.source,
            tokens: tree.tokens,
            found: Vec::new(),
            open: vec![Open::default()],
        };
        walk.visit_body(&tree.module.body);
        walk.found
    }

    fn number(&mut self, label: &str) -> u32 {
        if let Some(number) = self.numbers.get(label) {
            return *number;
        }
        let number = u32::try_from(self.numbers.len()).expect("a source has at most 2^32 tokens");
        self.numbers.insert(label.to_owned(), number);
        number
    }
}

/// A node whose children are being visited.
#[derive(Debug, Default)]
struct Open {
    /// Its place among the nodes.
    index: usize,
    label: String,
}

/// Marks the place of a child in the label of its parent; no source contains it.
const CHILD: char = '\0';

struct Walk<'t> {
    labels: &'t mut Labels,
    source: &'t str,
    /// The tokens that no node has yet.
    tokens: &'t [Token],
    found: Vec<u32>,
    /// The nodes around this place, the module first.
    open: Vec<Open>,
}

impl Walk<'_> {
    /// Gives the tokens before `end` to the innermost open node.
    fn take_tokens(&mut self, end: usize) {
        let count = self
            .tokens
            .partition_point(|token| token.start().to_usize() < end);
        let (taken, rest) = self.tokens.split_at(count);
        self.tokens = rest;
        let Some(open) = self.open.last_mut() else {
            return;
        };
        for token in taken.iter().filter(|token| has_meaning(token.kind())) {
            open.label
                .push_str(self.source.get(token.range().to_std_range()).unwrap_or(""));
            open.label.push(' ');
        }
    }

    fn drop_tokens(&mut self, end: usize) {
        let is_before = |token: &Token| token.start().to_usize() < end;
        let count = self.tokens.partition_point(is_before);
        self.tokens = self.tokens.split_at(count).1;
    }
}

impl<'a> SourceOrderVisitor<'a> for Walk<'_> {
    fn enter_node(&mut self, node: AnyNodeRef<'a>) -> TraversalSignal {
        // A name is part of what it names.
        if matches!(node, AnyNodeRef::Identifier(_)) {
            return TraversalSignal::Skip;
        }
        self.take_tokens(node.start().to_usize());
        if is_string_statement(node) {
            return TraversalSignal::Skip;
        }
        if let Some(parent) = self.open.last_mut() {
            parent.label.push(CHILD);
        }
        let mut label = String::new();
        label.extend(char::from_u32(u32::from(node.kind() as u8)));
        let is_literal = write_value(&mut label, node);
        let index = self.found.len();
        self.found.push(0);
        self.open.push(Open { index, label });
        if is_literal {
            self.drop_tokens(node.end().to_usize());
            TraversalSignal::Skip
        } else {
            TraversalSignal::Traverse
        }
    }

    fn leave_node(&mut self, node: AnyNodeRef<'a>) {
        if matches!(node, AnyNodeRef::Identifier(_)) {
            return;
        }
        if is_string_statement(node) {
            self.drop_tokens(node.end().to_usize());
            return;
        }
        self.take_tokens(node.end().to_usize());
        if let Some(open) = self.open.pop()
            && let Some(place) = self.found.get_mut(open.index)
        {
            *place = self.labels.number(&open.label);
        }
    }
}

fn is_string_statement(node: AnyNodeRef<'_>) -> bool {
    matches!(node, AnyNodeRef::StmtExpr(StmtExpr { value, .. }) if value.is_string_literal_expr())
}

/// Appends the value of a literal, however it is spelled; `false` for other nodes.
fn write_value(label: &mut String, node: AnyNodeRef<'_>) -> bool {
    match node {
        AnyNodeRef::ExprStringLiteral(literal) => label.push_str(literal.value.to_str()),
        AnyNodeRef::StringLiteral(literal) => label.push_str(&literal.value),
        AnyNodeRef::ExprBytesLiteral(literal) => {
            label.extend(literal.value.bytes().map(char::from));
        }
        AnyNodeRef::InterpolatedStringLiteralElement(literal) => label.push_str(&literal.value),
        AnyNodeRef::ExprNumberLiteral(literal) => {
            let written = match &literal.value {
                Number::Int(value) => write!(label, "{value}"),
                Number::Float(value) => write!(label, "{value:?}"),
                Number::Complex { real, imag } => write!(label, "{real:?} {imag:?}j"),
            };
            written.expect("a text takes every write");
        }
        _ => return false,
    }
    true
}

/// Whether a token is part of the tree's meaning, and not only of its layout.
fn has_meaning(kind: TokenKind) -> bool {
    !kind.is_any_newline()
        && !matches!(
            kind,
            TokenKind::Comment
                | TokenKind::Indent
                | TokenKind::Dedent
                | TokenKind::EndOfFile
                | TokenKind::Lpar
                | TokenKind::Rpar
                | TokenKind::Comma
                | TokenKind::Semi
                | TokenKind::FStringStart
                | TokenKind::FStringEnd
                | TokenKind::TStringStart
                | TokenKind::TStringEnd
        )
}

#[cfg(test)]
#[expect(clippy::float_cmp, reason = "scores are equal to the last bit")]
mod tests {
    use proptest::prelude::*;
    use ruff_python_ast::comparable::ComparableStmt;

    use super::*;
    use crate::{
        reward::Normalizer,
        syntax::{Grammar, with_syntax_tree},
    };

    fn labels_of(labels: &mut Labels, code: &str) -> Vec<u32> {
        with_syntax_tree(code, Grammar::Python313, |tree| labels.of(tree)).expect(code)
    }

    /// The similarity of two texts that parse.
    fn of(a: &str, b: &str) -> f64 {
        let mut labels = Labels::default();
        let (a, b) = (labels_of(&mut labels, a), labels_of(&mut labels, b));
        similarity(&a, &b).unwrap()
    }

    fn measured(reward: &dyn Reward, code: &str, target: &str) -> Measured {
        let completion = format!("```python\n{code}\n```");
        reward.correctness(&Pair::new(&completion, target, Normalizer::Fixed))
    }

    /// By hand. `x = 1`: Assign, Name, Number. `df.cumsum(axis=0)`: Expr, Call, Attribute, Name,
    /// Arguments, Keyword, Number. `f(a)`: Expr, Call, Name, Arguments, Name; one more argument is
    /// one more node, and another label for Arguments.
    #[test]
    fn a_node_is_one_edit() {
        assert_eq!(of("x = 1", "x = 2"), 1.0 - 1.0 / 3.0);
        assert_eq!(
            of("df.cumsum(axis=0)", "df.cumulative_sum(axis=0)"),
            1.0 - 1.0 / 7.0
        );
        assert_eq!(of("f(a)", "f(a, b)"), 1.0 - 2.0 / 6.0);
        // Statements of the module have no parent that would change.
        assert_eq!(of("x = 1", "x = 1\ny = 2"), 0.5);
        assert_eq!(of("x", "import y"), 0.0);
    }

    #[test]
    fn what_a_formatter_may_change_costs_nothing() {
        let code = "def f(a, b=1, *c):\n    \"\"\"Doc.\"\"\"\n    x = [a, 'b']  # why\n\n    return {(x): f'{a!r}'}\n";
        let other = "def f(\n    a, b = 1, *c,\n):\n  x = (['a'[0:0], \"b\"])\n  return ({x: f\"\"\"{ a!r }\"\"\"},)[0]";
        assert_eq!(
            of(
                code,
                &code.replace("\"\"\"Doc.\"\"\"", "'''Other\n\n    doc'''")
            ),
            1.0
        );
        assert_eq!(
            of(
                code,
                "def f(a,b = (1),*c,):\n  x=[a,\"\"\"b\"\"\",];return {x:f'''{ (a) !r}'''}"
            ),
            1.0
        );
        assert!(of(code, other) < 1.0);
        assert_eq!(
            of("x = 1_000 + 0x10 + 1.50", "x = (1000 +\n 16 + 1.5)"),
            1.0
        );
    }

    /// Trees that have the same kinds of nodes and the same names in the same order.
    #[test]
    fn only_equal_trees_are_fully_similar() {
        for (a, b) in [
            ("x[1:]", "x[:1]"),
            ("a - b - c", "a - (b - c)"),
            ("f(*a)", "f(**a)"),
            ("{**a, b: c}", "{a: b, **c}"),
            ("def f(a, /, b): 0", "def f(a, b): 0"),
            ("def f(a, *, b): 0", "def f(a, *b): 0"),
            ("if a:\n    b\nc", "if a:\n    b\n    c"),
            (
                "for x in y:\n    b\n    c",
                "for x in y:\n    b\nelse:\n    c",
            ),
            (
                "try:\n    a\nfinally:\n    b",
                "try:\n    a\nexcept b:\n    0",
            ),
            ("async def f(): 0", "def f(): 0"),
            ("a and b", "a or b"),
            ("a.b", "a.c"),
            ("from .a import b", "from a import b"),
            ("import a.b", "import a as b"),
            ("x = '1'", "x = 1"),
            ("x = 'a'", "x = b'a'"),
            ("f'{x}'", "f'{x!r}'"),
            ("f'{x:a}'", "f'{x}a'"),
            ("1", "1.0"),
            ("True", "False"),
            ("'ab', 'c'", "'a', 'bc'"),
        ] {
            assert!(of(a, b) < 1.0, "{a} and {b}");
        }
    }

    #[test]
    fn what_does_not_parse_is_not_similar() {
        for (code, target, ast, ast_star) in [
            ("x = (", "x = (", 0.0, -2.0),
            ("x = 1", "x = (", 0.0, -1.5),
            ("# a", "'''b'''", 1.0, 2.0),
            ("x = 1", "x = 1", 1.0, 2.0),
            ("x = 1", "", 0.0, -1.5),
        ] {
            let values = [
                measured(&AstSimilarity, code, target).value,
                measured(&AstSimilarityStar, code, target).value,
            ];
            assert_eq!(values, [ast, ast_star], "{code} and {target}");
        }
    }

    #[test]
    fn too_many_pairs_of_nodes_are_reported_and_not_compared() {
        // 3 x 31,000 nodes a side: 8.65e9 pairs, above 2^33 = 8.59e9.
        let long = "x = 1\n".repeat(31_000);
        let refused = measured(&AstSimilarityStar, &long, &long);
        assert_eq!(
            (refused.value, refused.fault),
            (-1.5, Some(Fault::TooManyNodes))
        );
        let compared = measured(&AstSimilarity, &long, "x = 1");
        assert_eq!(
            (compared.value, compared.fault),
            (1.0 - 92_997.0 / 93_000.0, None)
        );
    }

    /// An expression or statement that parses, from few words, so that equal ones are common.
    fn code() -> impl Strategy<Value = String> {
        let leaf = prop_oneof![Just("a"), Just("b"), Just("1"), Just("'s'"), Just("...")];
        let expression = leaf
            .prop_map(str::to_owned)
            .prop_recursive(3, 12, 3, |inner| {
                let part = prop::collection::vec(inner, 1..4);
                (0..12_usize, part).prop_map(|(kind, parts)| {
                    let (first, last) = (&parts[0], &parts[parts.len() - 1]);
                    let all = parts.join(", ");
                    match kind {
                        0 => format!("({first} + {last})"),
                        1 => format!("(not {first})"),
                        2 => format!("[{all}]"),
                        3 => format!("a({all})"),
                        4 => format!("a(b={first}, *{last})"),
                        5 => format!("a[{first}:{last}]"),
                        6 => format!("a[:{first}]"),
                        7 => format!("({first} if {first} else {last})"),
                        8 => format!("(lambda a, b={first}: {last})"),
                        9 => format!("{{{first}: {last}, **a}}"),
                        10 => format!("({first} < {last} is not a)"),
                        _ => format!("(a).b.{}", if parts.len() > 1 { "a" } else { "b" }),
                    }
                })
            });
        let statement = (0..6_usize, expression).prop_map(|(kind, value)| match kind {
            0 => format!("a = {value}\n"),
            1 => format!("a = b = {value}\n"),
            2 => format!("if {value}:\n    a\n"),
            3 => format!("if a:\n    {value}\nelse:\n    b\n"),
            4 => format!("a += {value}\n"),
            _ => format!("del a\nassert {value}\n"),
        });
        prop::collection::vec(statement, 0..3).prop_map(|lines| lines.concat())
    }

    proptest! {
        /// Oracle: ruff's own comparison of trees.
        #[test]
        fn full_similarity_is_equality_of_trees(a in code(), b in code()) {
            let tree = |code: &str| with_syntax_tree(code, Grammar::Python313, |tree| {
                format!("{:?}", tree.module.body.iter().map(ComparableStmt::from).collect::<Vec<_>>())
            }).unwrap();
            prop_assert_eq!(of(&a, &b) == 1.0, tree(&a) == tree(&b));
            prop_assert_eq!(of(&a, &b), of(&b, &a));
            prop_assert!((0.0..=1.0).contains(&of(&a, &b)));
        }
    }
}
