//! The statements of a program that a function needs.

use std::collections::{BTreeMap, BTreeSet};

use super::{is_docstring, is_future, tried};
use crate::syntax::{Call, Effects, Names, Statement, StatementKind, statements};

/// Methods that change their object even where their value is used.
pub(super) const CHANGING: &[&str] = &[
    "add",
    "append",
    "appendleft",
    "clear",
    "discard",
    "extend",
    "extendleft",
    "insert",
    "pop",
    "popitem",
    "popleft",
    "put",
    "remove",
    "reverse",
    "rotate",
    "setdefault",
    "sort",
    "update",
];

/// Functions of Python that change an object by a name in a text.
const BY_NAME: &[&str] = &["delattr", "exec", "globals", "locals", "setattr", "vars"];

/// The program without what only shows `entry_point`; `None` if it does not define it.
///
/// Each statement at the top level is kept that imports, binds or changes a name that the function reaches, also by
/// calling something that changes it. What else may matter, such as another import, `sys.setrecursionlimit` or a class
/// that registers itself, is kept so that its failure does not matter. Left out are prints and asserts (unless `:=` in
/// them binds such a name), statements that ask for input, the body of the main guard, loops without an end, calls of
/// the function itself, and what only these need: examples of its use must not run.
pub(super) fn needed(source: &str, entry_point: &str) -> Option<String> {
    let statements = statements(source).ok()?;
    let program = Program::new(&statements, entry_point);
    if !program.bound.contains(entry_point) {
        return None;
    }
    let needed = program.needed();
    let shown = program.shown(&needed);
    let texts = statements.iter().enumerate().filter_map(|(at, statement)| {
        if needed[at] || is_docstring(at, statement) {
            Some(statement.text.clone())
        } else {
            (!shown[at]).then(|| tried(&statement.text))
        }
    });
    Some(texts.collect::<Vec<_>>().join("\n\n") + "\n")
}

/// What is known of the whole program.
#[derive(Debug)]
pub(super) struct Program<'a> {
    pub(super) statements: &'a [Statement],
    pub(super) entry_point: &'a str,
    pub(super) bound: BTreeSet<&'a str>,
    pub(super) imported: BTreeSet<&'a str>,
    /// What calls of its functions and classes do.
    pub(super) effects: BTreeMap<&'a str, Vec<&'a Effects>>,
    /// The names whose objects some statement changes.
    changed: BTreeSet<&'a str>,
}

impl<'a> Program<'a> {
    fn new(statements: &'a [Statement], entry_point: &'a str) -> Self {
        let names = || statements.iter().map(|statement| &statement.names);
        let mut effects: BTreeMap<&str, Vec<&Effects>> = BTreeMap::new();
        for (name, effect) in names().flat_map(|names| &names.effects) {
            effects.entry(name).or_default().push(effect);
        }
        let methods = names().flat_map(|names| &names.calls);
        let methods = methods.filter(|call| call.method.is_some());
        let changed = methods.flat_map(|call| &call.roots);
        Self {
            statements,
            entry_point,
            bound: all(names(), |names| &names.binds),
            imported: all(names(), |names| &names.imports),
            effects,
            changed: changed
                .chain(names().flat_map(|names| &names.changes))
                .map(String::as_str)
                .collect(),
        }
    }

    /// Whether the function needs each statement.
    fn needed(&self) -> Vec<bool> {
        let mut wanted = BTreeSet::from([self.entry_point]);
        let mut needed = vec![false; self.statements.len()];
        let size = |wanted: &BTreeSet<&str>, needed: &[bool]| {
            (wanted.len(), needed.iter().filter(|one| **one).count())
        };
        loop {
            let before = size(&wanted, &needed);
            for (statement, is_needed) in self.statements.iter().zip(&mut needed) {
                *is_needed = *is_needed || self.is_needed(statement, &wanted);
                if *is_needed {
                    wanted.extend(statement.names.needs.iter().map(String::as_str));
                }
                for (alias, object) in &statement.names.aliases {
                    // Who changes the alias changes the object.
                    if wanted.contains(object.as_str()) && self.changed.contains(alias.as_str()) {
                        wanted.insert(alias);
                    }
                }
            }
            if before == size(&wanted, &needed) {
                return needed;
            }
        }
    }

    fn is_needed(&self, statement: &Statement, wanted: &BTreeSet<&str>) -> bool {
        let names = &statement.names;
        let is_wanted = |name: &String| wanted.contains(name.as_str());
        let binds = names.binds.iter().any(is_wanted);
        match statement.kind {
            StatementKind::Import => binds || is_future(statement),
            StatementKind::MainGuard | StatementKind::Input | StatementKind::Text => false,
            StatementKind::Assert | StatementKind::Print => binds,
            StatementKind::Definition
            | StatementKind::LoopOfCalls
            | StatementKind::Endless
            | StatementKind::Other => {
                let is_changed =
                    |name: &String| is_wanted(name) || BY_NAME.contains(&name.as_str());
                binds
                    || names.changes.iter().any(is_changed)
                    || names.calls.iter().any(|call| self.has_effect(call, wanted))
            }
        }
    }

    /// Whether a call changes something that is wanted.
    fn has_effect(&self, call: &Call, wanted: &BTreeSet<&str>) -> bool {
        let by_name =
            |root: &String| BY_NAME.contains(&root.as_str()) && !self.bound.contains(root.as_str());
        if call.roots.iter().any(by_name) {
            return call.is_statement;
        }
        if let Some(method) = &call.method {
            let changes = call.is_statement || CHANGING.contains(&method.as_str());
            let of_data = call.roots.iter().any(|root| {
                wanted.contains(root.as_str()) && !self.imported.contains(root.as_str())
            });
            return changes && of_data;
        }
        let function = call.roots.first().map(String::as_str);
        let function = function.filter(|function| self.effects.contains_key(function));
        function.is_some_and(|function| self.function_has_effect(call, function, wanted))
    }

    /// Whether a call of a function of the program changes something that is wanted.
    fn function_has_effect(&self, call: &Call, function: &str, wanted: &BTreeSet<&str>) -> bool {
        let mut changes = BTreeSet::new();
        let mut called = BTreeSet::from([function]);
        let mut waiting = vec![function];
        while let Some(name) = waiting.pop() {
            for effects in self.effects.get(name).into_iter().flatten() {
                changes.extend(effects.changes.iter().map(String::as_str));
                for inner in &effects.calls {
                    let roots = inner.roots.iter().map(String::as_str);
                    if inner.method.is_some() {
                        changes.extend(roots);
                    } else {
                        waiting.extend(roots.filter(|root| called.insert(*root)));
                    }
                }
            }
        }
        if called.contains(self.entry_point) {
            return false;
        }
        let is_object = |name: &str| {
            let is_other = self.imported.contains(name) || self.effects.contains_key(name);
            wanted.contains(name) && !is_other
        };
        let passes = call.arguments.iter().any(|name| is_object(name));
        changes.into_iter().any(is_object) || (call.is_statement && passes)
    }
}

pub(super) fn all<'a>(
    names: impl Iterator<Item = &'a Names>,
    set: impl Fn(&'a Names) -> &'a BTreeSet<String>,
) -> BTreeSet<&'a str> {
    names.flat_map(set).map(String::as_str).collect()
}
