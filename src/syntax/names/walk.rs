//! The walk over a statement that collects its names.

use std::collections::{BTreeMap, BTreeSet};

use ruff_python_ast::{
    Comprehension, Decorator, Expr, ExprCall, Parameters, Stmt, StmtClassDef, StmtFor,
    StmtFunctionDef, StmtIf, StmtTry,
    visitor::{self, Visitor},
};

use super::{Call, Effects, Names, bound::Bound, object_of, stack::with_room};

/// Where names are bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scope {
    Module,
    Class,
    Function,
}

#[derive(Debug)]
pub(super) struct Walk {
    pub(super) scope: Scope,
    pub(super) names: Names,
    /// Names of a module or a class that are bound before the place of the walk.
    known: BTreeSet<String>,
    /// The local names of a function, and those that it declares to be global.
    bound: Bound,
    /// The names of the comprehensions around the place of the walk.
    hidden: BTreeSet<String>,
    /// The objects of which the object of a name is a part: those of a loop's name are what the loop reads.
    parts: BTreeMap<String, BTreeSet<String>>,
}

impl Walk {
    pub(super) fn of_statement(statement: &Stmt) -> Names {
        let mut walk = Self::new(Scope::Module, Bound::default());
        walk.visit_stmt(statement);
        walk.names
    }

    /// The names in the branches of an `if` after its first one.
    pub(super) fn of_other_branches(part: &StmtIf) -> Names {
        let mut walk = Self::new(Scope::Module, Bound::default());
        walk.visit_expr(&part.test);
        for clause in &part.elif_else_clauses {
            walk.branch(|walk| walk.visit_elif_else_clause(clause));
        }
        walk.names
    }

    fn new(scope: Scope, bound: Bound) -> Self {
        Self {
            scope,
            names: Names::default(),
            known: BTreeSet::new(),
            bound,
            hidden: BTreeSet::new(),
            parts: BTreeMap::new(),
        }
    }

    /// Whether a name is local to a function or a comprehension.
    fn is_inner(&self, name: &str) -> bool {
        self.hidden.contains(name) || self.bound.locals.contains(name)
    }

    pub(super) fn load(&mut self, name: &str) {
        if !self.known.contains(name) {
            self.load_later(name);
        }
    }

    /// Notes a name that is read when a function is called, or by a text.
    pub(super) fn load_later(&mut self, name: &str) {
        if !self.is_inner(name) {
            self.names.needs.insert(name.to_owned());
        }
    }

    pub(super) fn store(&mut self, name: &str) {
        if self.scope != Scope::Function {
            self.known.insert(name.to_owned());
        }
        if self.scope == Scope::Module || self.bound.globals.contains(name) {
            self.names.binds.insert(name.to_owned());
        }
    }

    /// The names outside by which others can find the object of a name, or the object of which it is a part.
    fn outside(&self, name: &str) -> BTreeSet<String> {
        let whole = self.parts.get(name).into_iter().flatten().cloned();
        let names = whole.chain([name.to_owned()]);
        names.filter(|name| !self.is_inner(name)).collect()
    }

    pub(super) fn change(&mut self, name: &str) {
        let outside = self.outside(name);
        self.names.changes.extend(outside);
    }

    /// Walks over a part that may not run, whose names are not surely bound after it.
    pub(super) fn branch(&mut self, walk: impl FnOnce(&mut Self)) {
        let known = self.known.clone();
        walk(self);
        self.known = known;
    }

    pub(super) fn function(&mut self, function: &StmtFunctionDef) {
        let name = function.name.as_str();
        self.decorators(&function.decorator_list, name);
        self.visit_parameters(&function.parameters);
        if let Some(annotation) = &function.returns {
            self.visit_expr(annotation);
        }
        let bound = Bound::of(Some(&function.parameters), &function.body);
        let mut body = Self::new(Scope::Function, bound);
        body.visit_body(&function.body);
        let mut defaults = function
            .parameters
            .iter_non_variadic_params()
            .filter_map(|parameter| parameter.default.as_deref());
        let may_remember = !function.decorator_list.is_empty() || defaults.any(can_change);
        self.define(name, body.names, may_remember);
    }

    pub(super) fn class(&mut self, class: &StmtClassDef) {
        let name = class.name.as_str();
        self.decorators(&class.decorator_list, name);
        if let Some(arguments) = &class.arguments {
            self.visit_arguments(arguments);
        }
        let mut body = Self::new(Scope::Class, Bound::default());
        body.visit_body(&class.body);
        let Self {
            names: mut inner,
            known,
            ..
        } = body;
        // Its body runs now, its methods later.
        inner.changes.retain(|change| !known.contains(change));
        for change in std::mem::take(&mut inner.changes) {
            self.change(&change);
        }
        self.names.calls.append(&mut inner.calls);
        let holds_data = class.body.iter().any(|part| match part {
            Stmt::Assign(part) => can_change(&part.value),
            Stmt::AnnAssign(part) => part.value.as_deref().is_some_and(can_change),
            _ => false,
        });
        let may_remember = holds_data
            || !class.decorator_list.is_empty()
            || inner.effects.values().any(|method| method.may_remember);
        self.define(name, inner, may_remember);
    }

    /// Binds a function or a class, and notes what calls of it do.
    fn define(&mut self, name: &str, inner: Names, may_remember: bool) {
        for need in &inner.needs {
            self.load_later(need);
        }
        let mut effects = Effects {
            changes: inner.binds.into_iter().chain(inner.changes).collect(),
            calls: inner.calls,
            may_remember,
        };
        for nested in inner.effects.into_values() {
            effects.changes.extend(nested.changes);
            effects.calls.extend(nested.calls);
        }
        effects.changes.retain(|change| !self.is_inner(change));
        self.names.effects.insert(name.to_owned(), effects);
        self.store(name);
    }

    fn decorators(&mut self, decorators: &[Decorator], name: &str) {
        for Decorator { expression, .. } in decorators {
            self.visit_expr(expression);
            // What a decorator such as `registry.add("x")` makes is called at once.
            let function = expression
                .as_call_expr()
                .map_or(expression, |call| &*call.func);
            self.call(function, BTreeSet::from([name.to_owned()]), true);
        }
    }

    fn call(&mut self, function: &Expr, arguments: BTreeSet<String>, is_statement: bool) {
        let (object, method) = match function {
            Expr::Attribute(attribute) => (&*attribute.value, Some(attribute.attr.to_string())),
            _ => (function, None),
        };
        let object = object_of(object).or_else(|| namespace(object));
        let roots = object.map(|name| self.outside(name));
        if let Some(roots) = roots.filter(|roots| !roots.is_empty()) {
            self.names.calls.push(Call {
                roots,
                method,
                arguments,
                is_statement,
            });
        }
    }

    pub(super) fn call_expression(&mut self, call: &ExprCall, is_statement: bool) {
        let passed = call.arguments.args.iter();
        let named = call.arguments.keywords.iter().map(|keyword| &keyword.value);
        let passed = passed.chain(named).filter_map(object_of);
        let arguments = passed.flat_map(|name| self.outside(name)).collect();
        self.call(&call.func, arguments, is_statement);
        self.visit_expr(&call.func);
        self.visit_arguments(&call.arguments);
    }

    /// Notes that the objects of the names that `target` binds are parts of those that `whole` reads.
    pub(super) fn are_parts(&mut self, target: &Expr, whole: &Expr) {
        let mut names = Reads::default();
        names.visit_expr(whole);
        let of: BTreeSet<String> = names.0.iter().flat_map(|name| self.outside(name)).collect();
        let mut names = Bound::default();
        names.visit_expr(target);
        for part in names.locals {
            self.parts.entry(part).or_default().extend(of.clone());
        }
    }

    pub(super) fn comprehension(&mut self, generators: &[Comprehension], results: &[&Expr]) {
        let hidden = self.hidden.clone();
        for generator in generators {
            self.visit_expr(&generator.iter);
            self.are_parts(&generator.target, &generator.iter);
            let mut names = Bound::default();
            names.visit_expr(&generator.target);
            self.hidden.append(&mut names.locals);
            for condition in &generator.ifs {
                self.visit_expr(condition);
            }
        }
        for result in results {
            self.visit_expr(result);
        }
        self.hidden = hidden;
    }

    pub(super) fn assign(&mut self, targets: &[Expr], value: &Expr) {
        self.visit_expr(value);
        for target in targets {
            if let Some(object) = object_of(value) {
                self.are_parts(target, value);
                if let Some(name) = target.as_name_expr() {
                    let alias = (name.id.to_string(), object.to_owned());
                    self.names.aliases.push(alias);
                }
            }
            self.visit_expr(target);
        }
        // `a = b = []` gives one object two names.
        for pair in targets.windows(2) {
            if let [Expr::Name(first), Expr::Name(second)] = pair {
                let (first, second) = (first.id.to_string(), second.id.to_string());
                self.names.aliases.push((first.clone(), second.clone()));
                self.names.aliases.push((second, first));
            }
        }
    }

    pub(super) fn for_loop(&mut self, part: &StmtFor) {
        self.visit_expr(&part.iter);
        self.are_parts(&part.target, &part.iter);
        self.branch(|walk| {
            walk.visit_expr(&part.target);
            walk.visit_body(&part.body);
        });
        self.branch(|walk| walk.visit_body(&part.orelse));
    }

    pub(super) fn try_statement(&mut self, part: &StmtTry) {
        self.branch(|walk| {
            walk.visit_body(&part.body);
            walk.visit_body(&part.orelse);
        });
        for handler in &part.handlers {
            self.branch(|walk| walk.visit_except_handler(handler));
        }
        self.visit_body(&part.finalbody);
    }

    pub(super) fn lambda(&mut self, parameters: Option<&Parameters>, body: &Expr) {
        if let Some(parameters) = parameters {
            self.visit_parameters(parameters);
        }
        let mut inner = Self::new(Scope::Function, Bound::of(parameters, &[]));
        inner.visit_expr(body);
        for need in inner.names.needs {
            self.load_later(&need);
        }
    }
}

/// Whether a default is an object that a function may change, so that later calls see it.
fn can_change(default: &Expr) -> bool {
    matches!(
        default,
        Expr::Call(_)
            | Expr::Dict(_)
            | Expr::DictComp(_)
            | Expr::List(_)
            | Expr::ListComp(_)
            | Expr::Set(_)
            | Expr::SetComp(_)
    )
}

/// The names that an expression reads.
#[derive(Debug, Default)]
struct Reads(BTreeSet<String>);

impl<'a> Visitor<'a> for Reads {
    fn visit_expr(&mut self, expression: &'a Expr) {
        if let Expr::Name(name) = expression {
            self.0.insert(name.id.to_string());
        }
        with_room(|| visitor::walk_expr(self, expression));
    }
}

/// Whether a simple statement calls `input`.
pub(super) fn calls_input(statement: &Stmt) -> bool {
    let names = Walk::of_statement(statement);
    let is_input = |call: &Call| call.method.is_none() && call.roots.contains("input");
    names.calls.iter().any(is_input)
}

/// The function of Python that makes a dictionary of names: `globals` of `globals()`.
fn namespace(expression: &Expr) -> Option<&str> {
    let call = expression.as_call_expr()?;
    let name = call.func.as_name_expr()?.id.as_str();
    ["globals", "locals", "vars"]
        .contains(&name)
        .then_some(name)
}
