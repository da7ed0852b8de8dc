//! The entries of a section.

use super::{
    report::Report,
    unknown::{self, Meaning},
};
use crate::{
    settings::one_of,
    spec::{
        code::Code,
        problem::Problem,
        read::node::{Data, Entry, Node},
        schema::{self, join},
    },
};

/// Checks the entries of a section, and removes the bad ones.
pub(in crate::spec) fn check(report: &mut Report<'_>, path: &str, node: &mut Node) {
    if let Data::Table(entries) = &mut node.data {
        entries.retain_mut(|entry| is_fine(report, path, entry));
    }
}

fn is_fine(report: &mut Report<'_>, section: &str, entry: &mut Entry) -> bool {
    let path = join(section, &entry.key);
    if entry.key.contains('.') {
        report.add(quoted_path(&path, entry));
        return false;
    }
    if let Some(key) = schema::find(&path) {
        let is_fine = report.accepts(&path, key.kind, &mut entry.node);
        report.meant.insert(path);
        return is_fine;
    }
    if !schema::is_section(&path) {
        unknown(report, section, entry);
        return false;
    }
    if !matches!(entry.node.data, Data::Table(_)) {
        let names = one_of(&schema::names_in(&path));
        let title = format!("`{path}` is a section, not a value");
        let label = format!("this is {}", entry.node.noun());
        let problem = Problem::new(Code::E103, entry.node.place, title, label);
        report.add(problem.help(format!("set one of its keys: {names}")));
        return false;
    }
    if path != "grid" {
        check(report, &path, &mut entry.node);
    }
    true
}

fn quoted_path(path: &str, entry: &Entry) -> Problem {
    let title = format!(
        "a key in quotes is one name, and `\"{}\"` is not a key",
        entry.key
    );
    let problem = Problem::new(Code::E101, entry.place, title, "not a key");
    match schema::find(path) {
        Some(_) => problem.replace(entry.place, entry.key.clone(), "remove the quotes"),
        None => problem.help("paths in quotes belong in [grid]"),
    }
}

/// Reports an unknown key. If it is a typo of a known one, its value is checked as that key's, so
/// that all mistakes are found at once.
fn unknown(report: &mut Report<'_>, section: &str, entry: &mut Entry) {
    let (problem, meaning) = unknown::describe(section, entry);
    report.add(problem);
    match meaning {
        Meaning::Unknown => {}
        Meaning::Elsewhere(paths) => report.meant.extend(paths),
        Meaning::Typo(name) => {
            let path = join(section, name);
            name.clone_into(&mut entry.key);
            if schema::find(&path).is_some() || matches!(entry.node.data, Data::Table(_)) {
                report.meant.insert(path);
                is_fine(report, section, entry);
            }
        }
    }
}
