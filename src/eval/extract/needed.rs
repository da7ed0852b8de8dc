//! The statements of a program that a function needs.

use std::collections::{BTreeMap, BTreeSet};

use crate::syntax::{Call, Effects, Names, Statement, StatementKind, statements};

/// Methods that change their object even where their value is used.
const CHANGING: &[&str] = &[
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

/// Functions of modules that end a program, wait, read, print, or start something else: whether a statement is needed
/// does not follow from a call of one of them.
const NO_SET_UP: &[&str] = &[
    "_exit",
    "abort",
    "critical",
    "debug",
    "error",
    "exit",
    "flush",
    "info",
    "input",
    "join",
    "log",
    "main",
    "pprint",
    "print",
    "read",
    "readline",
    "readlines",
    "repeat",
    "run",
    "run_docstring_examples",
    "show",
    "sleep",
    "start",
    "testfile",
    "testmod",
    "timeit",
    "warning",
    "write",
    "writelines",
];

/// Functions of modules that wait for long, or end a program so that nothing can hold it.
const NEVER_SET_UP: &[&str] = &[
    "_exit",
    "abort",
    "kill",
    "main",
    "mainloop",
    "pause",
    "run_docstring_examples",
    "run_forever",
    "serve_forever",
    "show",
    "sleep",
    "testfile",
    "testmod",
];

/// Functions of Python that change an object by a name in a text.
const BY_NAME: &[&str] = &["delattr", "exec", "globals", "locals", "setattr", "vars"];

/// The program without what only shows `entry_point`; `None` if it does not define it.
///
/// Imports are kept, and each statement at the top level that binds or changes a name that the function reaches, also
/// by calling something that changes it, and calls that set up a module (`sys.setrecursionlimit`). What else may matter,
/// such as a class that registers itself, is kept so that its failure does not matter. Left out are prints and asserts
/// (unless `:=` in them binds such a name), statements that ask for input, the body of the main guard, loops without
/// an end, calls of the function itself, and what only these need: examples of its use must not run.
pub(super) fn needed(source: &str, entry_point: &str) -> Option<String> {
    let statements = statements(source).ok()?;
    let program = Program::new(&statements, entry_point);
    if !program.bound.contains(entry_point) {
        return None;
    }
    let needed = program.kept();
    let shown = program.shown(&needed);
    let parts = statements.iter().zip(needed.iter().zip(&shown)).enumerate();
    let texts = parts.filter_map(|(at, (statement, (is_needed, is_shown)))| {
        let is_docstring = at == 0 && statement.kind == StatementKind::Text;
        match (is_needed, is_shown) {
            (true, _) => Some(statement.text.clone()),
            _ if is_docstring => Some(statement.text.clone()),
            (_, true) => None,
            _ => Some(tried(&statement.text)),
        }
    });
    Some(texts.collect::<Vec<_>>().join("\n\n") + "\n")
}

/// Runs a statement whose failure does not matter, not even if Python does not compile it.
fn tried(text: &str) -> String {
    let text = text.replace('\\', "\\\\").replace('\'', "\\'");
    format!("try:\n    exec('''{text}''')\nexcept BaseException:\n    pass")
}

/// What is known of the whole program.
#[derive(Debug)]
struct Program<'a> {
    statements: &'a [Statement],
    entry_point: &'a str,
    bound: BTreeSet<&'a str>,
    imported: BTreeSet<&'a str>,
    effects: BTreeMap<&'a str, Vec<&'a Effects>>,
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

    /// Whether each statement is kept.
    fn kept(&self) -> Vec<bool> {
        let mut wanted = BTreeSet::from([self.entry_point]);
        let mut kept = vec![false; self.statements.len()];
        loop {
            let before = (wanted.len(), kept.iter().filter(|kept| **kept).count());
            for (statement, kept) in self.statements.iter().zip(&mut kept) {
                *kept = *kept || self.is_needed(statement, &wanted);
                if *kept && statement.kind != StatementKind::Import {
                    wanted.extend(statement.names.needs.iter().map(String::as_str));
                }
                for (alias, object) in &statement.names.aliases {
                    // Who changes the alias changes the object.
                    if wanted.contains(object.as_str()) && self.changed.contains(alias.as_str()) {
                        wanted.insert(alias);
                    }
                }
            }
            if before == (wanted.len(), kept.iter().filter(|kept| **kept).count()) {
                return kept;
            }
        }
    }

    fn is_needed(&self, statement: &Statement, wanted: &BTreeSet<&str>) -> bool {
        let names = &statement.names;
        let is_wanted = |name: &String| wanted.contains(name.as_str());
        let binds = names.binds.iter().any(is_wanted);
        match statement.kind {
            StatementKind::Import => true,
            StatementKind::MainGuard | StatementKind::Input | StatementKind::Text => false,
            StatementKind::Assert | StatementKind::Print => binds,
            StatementKind::Definition
            | StatementKind::Calls
            | StatementKind::Endless
            | StatementKind::Other => {
                let is_changed = |name: &String| {
                    is_wanted(name)
                        || self.imported.contains(name.as_str())
                        || BY_NAME.contains(&name.as_str())
                };
                binds
                    || names.changes.iter().any(is_changed)
                    || names
                        .calls
                        .iter()
                        .any(|call| self.has_effect(call, statement, wanted))
            }
        }
    }

    /// Whether a call that a statement makes changes something that is wanted.
    fn has_effect(&self, call: &Call, statement: &Statement, wanted: &BTreeSet<&str>) -> bool {
        let has = |set: &BTreeSet<&str>| call.roots.iter().any(|root| set.contains(root.as_str()));
        let is_set_up = |name: &str| {
            // The decorator of a module (`@dataclass`) is a call for the sake of its value.
            let is_definition = statement.kind == StatementKind::Definition;
            let is_example = statement.names.needs.contains(self.entry_point);
            call.is_statement && !is_definition && !is_example && !NO_SET_UP.contains(&name)
        };
        let by_name =
            |root: &String| BY_NAME.contains(&root.as_str()) && !self.bound.contains(root.as_str());
        if call.roots.iter().any(by_name) {
            return call.is_statement;
        }
        if let Some(method) = &call.method {
            let changes = call.is_statement || CHANGING.contains(&method.as_str());
            let is_module = has(&self.imported) && is_set_up(method);
            let of_data = call.roots.iter().any(|root| {
                wanted.contains(root.as_str()) && !self.imported.contains(root.as_str())
            });
            return is_module || (changes && of_data);
        }
        let Some(function) = call.roots.first().map(String::as_str) else {
            return false;
        };
        if self.effects.contains_key(function) {
            return self.function_has_effect(call, function, wanted);
        }
        has(&self.imported) && is_set_up(function)
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

/// What only shows the function.
impl<'a> Program<'a> {
    /// Whether each statement that is not `needed` is only there to show the function, or to be shown with it.
    fn shown(&self, needed: &[bool]) -> Vec<bool> {
        let wanted = self.wanted(needed);
        let statements = || self.statements.iter().zip(needed);
        let mut shown: Vec<bool> = statements()
            .map(|(statement, needed)| !needed && self.is_shown(statement, &wanted))
            .collect();
        loop {
            let reads = |is_shown: bool| {
                let these = self.statements.iter().zip(&shown);
                let these = these.filter(move |(_, shown)| **shown == is_shown);
                all(these.map(|(one, _)| &one.names), |names| &names.needs)
            };
            let (by_shown, by_others) = (reads(true), reads(false));
            let is_for_show = |statement: &Statement| {
                let binds = &statement.names.binds;
                let names = || binds.iter().map(String::as_str);
                let only_shown = names().any(|name| by_shown.contains(name))
                    && !names().any(|name| by_others.contains(name));
                // A definition takes no time, and may be found by a name that a program makes.
                let is_definition = statement.kind == StatementKind::Definition;
                only_shown && (!is_definition || self.reaches(statement).contains(self.entry_point))
            };
            let more: Vec<bool> = statements()
                .zip(&shown)
                .map(|((statement, needed), shown)| *shown || (!needed && is_for_show(statement)))
                .collect();
            if more == shown {
                return shown;
            }
            shown = more;
        }
    }

    /// The names that the needed statements read.
    fn wanted(&self, needed: &[bool]) -> BTreeSet<&'a str> {
        let statements = self.statements.iter().zip(needed);
        let needed = statements.filter(|(_, needed)| **needed);
        all(needed.map(|(one, _)| &one.names), |names| &names.needs)
    }

    fn is_shown(&self, statement: &Statement, wanted: &BTreeSet<&str>) -> bool {
        let takes_out = |call: &Call| {
            let is_changing = |method: &String| CHANGING.contains(&method.as_str());
            call.method.as_ref().is_some_and(is_changing)
                && call.roots.iter().any(|root| wanted.contains(root.as_str()))
        };
        match statement.kind {
            StatementKind::Import | StatementKind::Definition => false,
            StatementKind::MainGuard
            | StatementKind::Input
            | StatementKind::Endless
            | StatementKind::Text => true,
            StatementKind::Assert | StatementKind::Print => {
                self.reaches(statement).contains(self.entry_point)
                    || !statement.names.calls.iter().any(takes_out)
            }
            // A loop that calls the function and drops what it returns fills its cache.
            StatementKind::Calls if self.only_calls_it(statement) => false,
            StatementKind::Calls | StatementKind::Other => {
                let reached = self.reaches(statement);
                let asks = reached.contains("input") && !self.bound.contains("input");
                reached.contains(self.entry_point) || asks || self.waits(statement)
            }
        }
    }

    fn only_calls_it(&self, statement: &Statement) -> bool {
        let calls = || {
            statement
                .names
                .calls
                .iter()
                .filter(|call| call.is_statement)
        };
        calls().next().is_some()
            && calls().all(|call| call.method.is_none() && call.roots.iter().eq([self.entry_point]))
    }

    /// The names that a statement reads, and that those who bind them read. What the function reads does not count.
    fn reaches(&self, statement: &'a Statement) -> BTreeSet<&'a str> {
        let mut reached = BTreeSet::new();
        let mut waiting: Vec<&str> = statement.names.needs.iter().map(String::as_str).collect();
        while let Some(name) = waiting.pop() {
            if !reached.insert(name) || name == self.entry_point {
                continue;
            }
            for names in self.statements.iter().map(|statement| &statement.names) {
                if names.binds.contains(name) {
                    waiting.extend(names.needs.iter().map(String::as_str));
                }
            }
        }
        reached
    }

    /// Whether a statement, or a function that it calls, waits or ends the program.
    fn waits(&self, statement: &Statement) -> bool {
        let mut called = BTreeSet::new();
        let mut waiting: Vec<&Call> = statement.names.calls.iter().collect();
        while let Some(call) = waiting.pop() {
            let root = call.roots.first().map(String::as_str);
            let name = call.method.as_deref().or(root).unwrap_or_default();
            let of_module = call
                .roots
                .iter()
                .any(|root| self.imported.contains(root.as_str()));
            if of_module && NEVER_SET_UP.contains(&name) {
                return true;
            }
            if let Some(function) = root.filter(|root| called.insert(*root)) {
                let effects = self.effects.get(function).into_iter().flatten();
                waiting.extend(effects.flat_map(|effects| &effects.calls));
            }
        }
        false
    }
}

fn all<'a>(
    names: impl Iterator<Item = &'a Names>,
    set: impl Fn(&'a Names) -> &'a BTreeSet<String>,
) -> BTreeSet<&'a str> {
    names.flat_map(set).map(String::as_str).collect()
}
