//! What a statement is, and the main guard, whose body does not run where a program is imported.

use std::ops::Range;

use ruff_python_ast::{
    BoolOp, CmpOp, Expr, Stmt, StmtIf, StmtWhile,
    visitor::{self, Visitor},
};
use ruff_text_size::{Ranged as _, TextRange};

use super::{Statement, StatementKind, stack::with_room, walk, walk::Walk};

/// Reads a statement of `source`; a main guard keeps only its other branches.
pub(super) fn read_statement(statement: &Stmt, source: &str) -> Statement {
    let whole = bytes(statement.range());
    let mut text = source.get(whole.clone()).unwrap_or_default().to_owned();
    let guard = statement.as_if_stmt();
    let guard =
        guard.filter(|part| is_main_guard(&part.test) && !part.elif_else_clauses.is_empty());
    let (kind, names) = match guard {
        Some(part) => {
            if let Some(body) = body_of(part) {
                text.replace_range(body.start - whole.start..body.end - whole.start, "pass");
            }
            (StatementKind::Other, Walk::of_other_branches(part))
        }
        None => (kind(statement), Walk::of_statement(statement)),
    };
    Statement {
        text,
        range: whole,
        kind,
        names,
    }
}

fn bytes(range: TextRange) -> Range<usize> {
    range.start().to_usize()..range.end().to_usize()
}

fn body_of(part: &StmtIf) -> Option<Range<usize>> {
    let (first, last) = (part.body.first()?, part.body.last()?);
    Some(bytes(first.range()).start..bytes(last.range()).end)
}

fn kind(statement: &Stmt) -> StatementKind {
    match statement {
        Stmt::Import(_) | Stmt::ImportFrom(_) => StatementKind::Import,
        Stmt::FunctionDef(_) | Stmt::ClassDef(_) => StatementKind::Definition,
        Stmt::Assert(_) => StatementKind::Assert,
        Stmt::If(part) if is_main_guard(&part.test) => StatementKind::MainGuard,
        Stmt::Expr(part) if is_call_of(&part.value, "print") => StatementKind::Print,
        Stmt::Expr(part) if part.value.is_string_literal_expr() => StatementKind::Text,
        Stmt::Expr(_) | Stmt::Assign(_) | Stmt::AnnAssign(_) | Stmt::AugAssign(_)
            if walk::calls_input(statement) =>
        {
            StatementKind::Input
        }
        Stmt::For(_) if only_calls(statement) => StatementKind::LoopOfCalls,
        Stmt::While(part) if is_endless(part) => StatementKind::Endless,
        _ => StatementKind::Other,
    }
}

fn is_call_of(expression: &Expr, name: &str) -> bool {
    let call = expression.as_call_expr();
    let function = call.and_then(|call| call.func.as_name_expr());
    function.is_some_and(|function| function.id.as_str() == name)
}

fn only_calls(statement: &Stmt) -> bool {
    match statement {
        Stmt::For(part) => part.orelse.is_empty() && part.body.iter().all(only_calls),
        Stmt::Expr(part) => part.value.is_call_expr() && !is_call_of(&part.value, "print"),
        _ => false,
    }
}

fn is_endless(part: &StmtWhile) -> bool {
    let is_true = match &*part.test {
        Expr::BooleanLiteral(literal) => literal.value,
        Expr::NumberLiteral(literal) => literal.value.as_int().is_some_and(|one| *one == 1),
        _ => false,
    };
    let mut end = Ends(false);
    end.visit_body(&part.body);
    is_true && !end.0
}

/// Whether statements have one that can end a loop around them.
struct Ends(bool);

impl<'a> Visitor<'a> for Ends {
    fn visit_stmt(&mut self, statement: &'a Stmt) {
        match statement {
            Stmt::Break(_) | Stmt::Raise(_) => self.0 = true,
            Stmt::FunctionDef(_) | Stmt::ClassDef(_) => {}
            _ => with_room(|| visitor::walk_stmt(self, statement)),
        }
    }
}

fn is_main_guard(test: &Expr) -> bool {
    match test {
        // Both must hold.
        Expr::BoolOp(part) if part.op == BoolOp::And => part.values.iter().any(is_main_guard),
        Expr::Compare(part) => {
            let sides = [&*part.left].into_iter().chain(&part.comparators);
            let is_name = |side: &&Expr| {
                let name = side.as_name_expr();
                name.is_some_and(|name| name.id.as_str() == "__name__")
            };
            let is_main = |side: &&Expr| {
                let text = side.as_string_literal_expr();
                text.is_some_and(|text| text.value.to_str() == "__main__")
            };
            matches!(&*part.ops, [CmpOp::Eq])
                && sides.clone().any(|side| is_name(&side))
                && sides.clone().any(|side| is_main(&side))
        }
        _ => false,
    }
}
