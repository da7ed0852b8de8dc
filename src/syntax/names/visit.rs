//! What the walk does at each node of the tree.

use ruff_python_ast::{
    ExceptHandler, Expr, ExprContext, MatchCase, Pattern, Stmt, WithItem,
    visitor::{self, Visitor},
};

use super::{
    bound::{captured, imported},
    stack::with_room,
    walk::{Scope, Walk},
};

impl<'a> Visitor<'a> for Walk {
    fn visit_stmt(&mut self, statement: &'a Stmt) {
        with_room(|| match statement {
            Stmt::FunctionDef(function) => self.function(function),
            Stmt::ClassDef(class) => self.class(class),
            Stmt::Import(_) | Stmt::ImportFrom(_) => {
                for name in imported(statement) {
                    self.store(&name);
                    if self.scope == Scope::Module {
                        self.names.imports.insert(name);
                    }
                }
            }
            Stmt::Assign(assign) => self.assign(&assign.targets, &assign.value),
            Stmt::AnnAssign(assign) => {
                self.visit_expr(&assign.annotation);
                // Without a value nothing is bound.
                if let Some(value) = &assign.value {
                    self.assign(std::slice::from_ref(&*assign.target), value);
                }
            }
            Stmt::AugAssign(assign) => {
                self.visit_expr(&assign.value);
                if let Expr::Name(name) = &*assign.target {
                    self.load(name.id.as_str());
                    // A list grows in place.
                    self.change(name.id.as_str());
                }
                self.visit_expr(&assign.target);
            }
            Stmt::For(part) => self.for_loop(part),
            Stmt::While(part) => {
                self.visit_expr(&part.test);
                self.branch(|walk| walk.visit_body(&part.body));
                self.branch(|walk| walk.visit_body(&part.orelse));
            }
            Stmt::If(part) => {
                self.visit_expr(&part.test);
                self.branch(|walk| walk.visit_body(&part.body));
                for clause in &part.elif_else_clauses {
                    self.branch(|walk| walk.visit_elif_else_clause(clause));
                }
            }
            Stmt::Try(part) => self.try_statement(part),
            Stmt::Expr(part) => {
                let value = match &*part.value {
                    Expr::Await(awaited) => &*awaited.value,
                    value => value,
                };
                match value {
                    Expr::Call(call) => self.call_expression(call, true),
                    value => self.visit_expr(value),
                }
            }
            _ => visitor::walk_stmt(self, statement),
        });
    }

    fn visit_except_handler(&mut self, handler: &'a ExceptHandler) {
        let ExceptHandler::ExceptHandler(part) = handler;
        if let Some(kind) = &part.type_ {
            self.visit_expr(kind);
        }
        if let Some(name) = &part.name {
            self.store(name.as_str());
        }
        self.visit_body(&part.body);
    }

    fn visit_with_item(&mut self, item: &'a WithItem) {
        self.visit_expr(&item.context_expr);
        if let Some(target) = &item.optional_vars {
            self.are_parts(target, &item.context_expr);
            self.visit_expr(target);
        }
    }

    fn visit_match_case(&mut self, case: &'a MatchCase) {
        self.branch(|walk| visitor::walk_match_case(walk, case));
    }

    fn visit_pattern(&mut self, pattern: &'a Pattern) {
        if let Some(name) = captured(pattern) {
            self.store(&name);
        }
        with_room(|| visitor::walk_pattern(self, pattern));
    }

    fn visit_expr(&mut self, expression: &'a Expr) {
        with_room(|| match expression {
            Expr::Name(name) => match name.ctx {
                ExprContext::Store => self.store(name.id.as_str()),
                ExprContext::Del => self.change(name.id.as_str()),
                _ => self.load(name.id.as_str()),
            },
            Expr::Attribute(_) | Expr::Subscript(_) => {
                let context = match expression {
                    Expr::Attribute(attribute) => attribute.ctx,
                    Expr::Subscript(subscript) => subscript.ctx,
                    _ => ExprContext::Load,
                };
                if context != ExprContext::Load
                    && let Some(object) = maker_of(expression)
                {
                    self.change(object);
                }
                visitor::walk_expr(self, expression);
            }
            Expr::Call(call) => self.call_expression(call, false),
            Expr::Lambda(lambda) => self.lambda(lambda.parameters.as_deref(), &lambda.body),
            Expr::ListComp(part) => self.comprehension(&part.generators, &[&part.elt]),
            Expr::SetComp(part) => self.comprehension(&part.generators, &[&part.elt]),
            Expr::Generator(part) => self.comprehension(&part.generators, &[&part.elt]),
            Expr::DictComp(part) => {
                let results = part.key.as_deref().into_iter().chain([&*part.value]);
                self.comprehension(&part.generators, &results.collect::<Vec<_>>());
            }
            Expr::StringLiteral(literal) => {
                // `globals()["name"]`, `list["Name"]`.
                let text = literal.value.to_str();
                if is_name(text) {
                    self.load_later(text);
                }
            }
            _ => visitor::walk_expr(self, expression),
        });
    }
}

/// The name of the object that an object was asked for, over calls too: `context` of `context().precision`.
fn maker_of(mut expression: &Expr) -> Option<&str> {
    loop {
        expression = match expression {
            Expr::Call(call) => &call.func,
            Expr::Attribute(attribute) => &attribute.value,
            Expr::Subscript(subscript) => &subscript.value,
            Expr::Name(name) => return Some(name.id.as_str()),
            _ => return None,
        };
    }
}

fn is_name(text: &str) -> bool {
    let is_start = |c: char| c.is_alphabetic() || c == '_';
    text.starts_with(is_start) && text.chars().all(|c| c.is_alphanumeric() || c == '_')
}
