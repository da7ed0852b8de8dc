//! The names in a program that are not its own: what it takes from libraries, and how.

use std::collections::BTreeSet;

use ruff_python_ast::{
    Expr, Keyword, Stmt,
    visitor::{self, Visitor},
};

use super::stack::with_room;

/// Attributes, the modules and names that are imported, the keywords of calls, and texts that are keys.
#[derive(Debug, Default)]
pub(super) struct Parts(pub(super) BTreeSet<String>);

impl Parts {
    pub(super) fn of(body: &[Stmt]) -> Self {
        let mut parts = Self::default();
        parts.visit_body(body);
        parts
    }

    fn add_path(&mut self, path: &str) {
        self.0.extend(path.split('.').map(str::to_owned));
    }
}

impl<'a> Visitor<'a> for Parts {
    fn visit_stmt(&mut self, statement: &'a Stmt) {
        match statement {
            Stmt::Import(import) => {
                for alias in &import.names {
                    self.add_path(&alias.name);
                }
            }
            Stmt::ImportFrom(import) => {
                for alias in &import.names {
                    self.add_path(&alias.name);
                }
                if let Some(module) = &import.module {
                    self.add_path(module);
                }
            }
            _ => with_room(|| visitor::walk_stmt(self, statement)),
        }
    }

    fn visit_keyword(&mut self, keyword: &'a Keyword) {
        self.0.extend(keyword.arg.as_ref().map(ToString::to_string));
        visitor::walk_keyword(self, keyword);
    }

    fn visit_expr(&mut self, expression: &'a Expr) {
        match expression {
            Expr::Attribute(attribute) => {
                self.0.insert(attribute.attr.to_string());
            }
            Expr::Subscript(item) => {
                if let Expr::StringLiteral(key) = &*item.slice {
                    self.0.insert(key.value.to_str().to_owned());
                }
            }
            _ => {}
        }
        with_room(|| visitor::walk_expr(self, expression));
    }
}
