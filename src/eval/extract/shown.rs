//! The statements of a program that only show what a function does.

use std::collections::BTreeSet;

use super::needed::{CHANGING, Program, all};
use crate::syntax::{Call, Statement, StatementKind};

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

impl<'a> Program<'a> {
    /// Whether each statement that is not `needed` is only there to show the function, or to be shown with it.
    pub(super) fn shown(&self, needed: &[bool]) -> Vec<bool> {
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
                match statement.kind {
                    StatementKind::Import => false,
                    // It takes no time, and may be found by a name that a program makes.
                    StatementKind::Definition => {
                        only_shown && self.reaches(statement).contains(self.entry_point)
                    }
                    _ => only_shown,
                }
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
            // It may fill a cache; otherwise it measures the time that the function takes.
            StatementKind::LoopOfCalls if self.only_calls_it(statement) => !self.may_remember(),
            StatementKind::LoopOfCalls | StatementKind::Other => {
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

    /// The names that a statement reads, and the names that are read in turn by each statement which binds one of these.
    /// What the function itself reads does not count.
    fn reaches(&self, statement: &'a Statement) -> BTreeSet<&'a str> {
        let names = statement.names.needs.iter().map(String::as_str);
        self.reached_from(names.collect(), |name| name != self.entry_point)
    }

    /// The names to start with, and the names that are read in turn by each statement which binds one of these, if it
    /// `is_followed`.
    fn reached_from(
        &self,
        mut waiting: Vec<&'a str>,
        is_followed: impl Fn(&str) -> bool,
    ) -> BTreeSet<&'a str> {
        let mut reached = BTreeSet::new();
        while let Some(name) = waiting.pop() {
            if !reached.insert(name) || !is_followed(name) {
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

    /// Whether a call of the function may change what a later call does, although no name shows it, as a cache does.
    fn may_remember(&self) -> bool {
        let is_function = |name: &String| self.effects.contains_key(name.as_str());
        let reached = self.reached_from(vec![self.entry_point], |_| true);
        let remembers = |name: &&str| {
            let mut effects = self.effects.get(name).into_iter().flatten();
            effects.any(|effects| {
                let mut calls = effects.calls.iter();
                effects.may_remember
                    || !effects.changes.is_empty()
                    || calls.any(|call| self.changes_data(call))
            })
        };
        // `run = lru_cache(solve)`, `solver = Solver()`.
        let is_made = |statement: &Statement| {
            let names = &statement.names;
            let is_entry_point = names.binds.contains(self.entry_point);
            let is_reached = names
                .binds
                .iter()
                .any(|name| reached.contains(name.as_str()));
            let is_other = !matches!(
                statement.kind,
                StatementKind::Definition | StatementKind::Import
            );
            let by_function = names.needs.iter().any(is_function);
            is_other && is_reached && (by_function || is_entry_point && !names.calls.is_empty())
        };
        reached.iter().any(remembers) || self.statements.iter().any(is_made)
    }

    /// Whether a call changes an object of the program, or passes one to a function that may: `memo.update(…)`,
    /// `go(x, memo)`.
    fn changes_data(&self, call: &Call) -> bool {
        let is_changing = |method: &String| CHANGING.contains(&method.as_str());
        let is_function = |name: &String| self.effects.contains_key(name.as_str());
        let is_data = |root: &String| {
            self.bound.contains(root.as_str()) && !self.imported.contains(root.as_str())
        };
        let is_passed = |name: &String| is_data(name) && !is_function(name);
        if call.roots.iter().any(is_function) && call.arguments.iter().any(is_passed) {
            return true;
        }
        call.method.as_ref().is_some_and(is_changing) && call.roots.iter().any(is_data)
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
