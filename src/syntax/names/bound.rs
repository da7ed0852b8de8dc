//! The local names of a function.

use std::collections::BTreeSet;

use ruff_python_ast::{
    Alias, Comprehension, ExceptHandler, Expr, ExprContext, Parameters, Pattern, Stmt,
    visitor::{self, Visitor},
};

use super::stack::with_room;

/// The local names of a function, and those that it declares to be global.
#[derive(Debug, Default)]
pub(super) struct Bound {
    pub(super) locals: BTreeSet<String>,
    pub(super) globals: BTreeSet<String>,
    /// Names of a function around it.
    outer: BTreeSet<String>,
}

impl Bound {
    pub(super) fn of(parameters: Option<&Parameters>, body: &[Stmt]) -> Self {
        let mut bound = Self::default();
        for parameter in parameters.into_iter().flat_map(Parameters::iter) {
            bound.locals.insert(parameter.name().to_string());
        }
        bound.visit_body(body);
        let not_local: Vec<String> = bound.globals.union(&bound.outer).cloned().collect();
        for name in not_local {
            bound.locals.remove(&name);
        }
        bound
    }
}

impl<'a> Visitor<'a> for Bound {
    fn visit_stmt(&mut self, statement: &'a Stmt) {
        match statement {
            Stmt::FunctionDef(function) => {
                self.locals.insert(function.name.to_string());
            }
            Stmt::ClassDef(class) => {
                self.locals.insert(class.name.to_string());
            }
            Stmt::Global(global) => {
                self.globals
                    .extend(global.names.iter().map(ToString::to_string));
            }
            Stmt::Nonlocal(outer) => {
                self.outer
                    .extend(outer.names.iter().map(ToString::to_string));
            }
            Stmt::Import(_) | Stmt::ImportFrom(_) => self.locals.extend(imported(statement)),
            _ => with_room(|| visitor::walk_stmt(self, statement)),
        }
    }

    fn visit_except_handler(&mut self, handler: &'a ExceptHandler) {
        let ExceptHandler::ExceptHandler(part) = handler;
        self.locals
            .extend(part.name.as_ref().map(ToString::to_string));
        visitor::walk_except_handler(self, handler);
    }

    fn visit_pattern(&mut self, pattern: &'a Pattern) {
        self.locals.extend(captured(pattern));
        visitor::walk_pattern(self, pattern);
    }

    fn visit_comprehension(&mut self, comprehension: &'a Comprehension) {
        // Its own names are not the function's.
        self.visit_expr(&comprehension.iter);
        for condition in &comprehension.ifs {
            self.visit_expr(condition);
        }
    }

    fn visit_expr(&mut self, expression: &'a Expr) {
        match expression {
            Expr::Name(name) if name.ctx != ExprContext::Load => {
                self.locals.insert(name.id.to_string());
            }
            Expr::Lambda(_) => {}
            _ => with_room(|| visitor::walk_expr(self, expression)),
        }
    }
}

/// The names that an import binds.
pub(super) fn imported(statement: &Stmt) -> Vec<String> {
    let names = match statement {
        Stmt::Import(import) => &import.names,
        Stmt::ImportFrom(import) => &import.names,
        _ => return Vec::new(),
    };
    let bound = names.iter().map(bound_by);
    bound
        .filter(|name| *name != "*")
        .map(str::to_owned)
        .collect()
}

/// The name that a part of an import binds: `a` for `import a.b`.
pub(super) fn bound_by(alias: &Alias) -> &str {
    let name = alias.asname.as_ref().unwrap_or(&alias.name).as_str();
    name.split('.').next().unwrap_or(name)
}

/// The name that a pattern binds, without those of its parts.
pub(super) fn captured(pattern: &Pattern) -> Option<String> {
    let name = match pattern {
        Pattern::MatchAs(part) => &part.name,
        Pattern::MatchStar(part) => &part.name,
        Pattern::MatchMapping(part) => &part.rest,
        _ => return None,
    };
    name.as_ref().map(ToString::to_string)
}
