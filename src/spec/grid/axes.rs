//! Whether the section `[grid]` of one layer makes sense, and its one form: axes by whole path.

use super::assignments::{self, Purpose, TABLES, axis_mark, flatten, is_first, section_is_fine};
use crate::spec::{
    check::{
        correction::{Site, expected, garbled_list},
        report::Report,
    },
    code::Code,
    problem::Problem,
    read::node::{Data, Entry, Node},
    schema,
};

const WHEN: &str =
    "for instance: if = { \"train.algorithm\" = \"sft\" } and set = { \"train.batch_size\" = 16 }";

/// Checks `[grid]` of a layer, and brings nested tables into the form `"train.reward" = [...]`.
pub(in crate::spec) fn check(report: &mut Report<'_>, root: &mut Node) {
    let Some(Node {
        data: Data::Table(entries),
        ..
    }) = root.get_mut("grid")
    else {
        return;
    };
    let mut kept: Vec<Entry> = Vec::new();
    for mut entry in std::mem::take(entries) {
        if TABLES.contains(&entry.key.as_str()) {
            if tables_are_fine(report, &mut entry) {
                kept.push(entry);
            }
            continue;
        }
        for mut axis in flatten(entry, "") {
            if axis_is_fine(report, &mut axis) && is_first(report, &kept, &axis) {
                report.no_item_twice(&axis.key, &mut axis.node);
                kept.push(axis);
            }
        }
    }
    *entries = kept;
}

fn tables_are_fine(report: &mut Report<'_>, entry: &mut Entry) -> bool {
    let are_tables = matches!(&entry.node.data, Data::List(items)
        if items.iter().all(|item| matches!(item.data, Data::Table(_))));
    let tables = match &mut entry.node.data {
        Data::List(tables) if are_tables => tables,
        _ => {
            report.add(not_tables(entry));
            return false;
        }
    };
    tables.retain_mut(|table| match entry.key.as_str() {
        "zip" => zip_is_fine(report, table),
        "when" => when_is_fine(report, table),
        "exclude" => assignments::check(report, table, Purpose::Condition),
        _ => assignments::check(report, table, Purpose::Change),
    });
    !tables.is_empty()
}

fn not_tables(entry: &Entry) -> Problem {
    let key = &entry.key;
    let title = format!("`grid.{key}` must be a list of tables");
    let label = format!("this is {}", entry.node.noun());
    let problem = Problem::new(Code::E103, entry.place, title, label);
    problem.help(format!("write [[grid.{key}]] with two pairs of brackets"))
}

fn zip_is_fine(report: &mut Report<'_>, table: &mut Node) -> bool {
    let Data::Table(entries) = &mut table.data else {
        return false;
    };
    let mut kept: Vec<Entry> = Vec::new();
    for entry in std::mem::take(entries) {
        for mut axis in flatten(entry, "") {
            if axis_is_fine(report, &mut axis) && is_first(report, &kept, &axis) {
                kept.push(axis);
            }
        }
    }
    *entries = kept;
    match unequal_lengths(entries) {
        Some(problem) => {
            report.add(problem);
            false
        }
        None => !entries.is_empty(),
    }
}

fn unequal_lengths(axes: &[Entry]) -> Option<Problem> {
    let first = axes.first()?;
    let count = first.node.items().len();
    let other = axes.iter().find(|axis| axis.node.items().len() != count)?;
    let title = "the axes of a [[grid.zip]] must have equally many values";
    let label = format!("{} values", other.node.items().len());
    let problem = Problem::new(Code::E122, other.node.place, title, label);
    Some(
        problem
            .also(first.node.place, format!("{count} values"))
            .help("they move together; to cross them, put them under [grid]"),
    )
}

fn when_is_fine(report: &mut Report<'_>, table: &mut Node) -> bool {
    let place = table.place;
    let Data::Table(entries) = &mut table.data else {
        return false;
    };
    let mut is_fine = true;
    for entry in entries.iter_mut() {
        let is_table = matches!(entry.node.data, Data::Table(_));
        is_fine &= match entry.key.as_str() {
            "if" if is_table => assignments::check(report, &mut entry.node, Purpose::Condition),
            "set" if is_table => assignments::check(report, &mut entry.node, Purpose::Change),
            _ => {
                let title = "a [[grid.when]] has the tables `if` and `set`, and nothing else";
                let label = format!("`{}` is {}", entry.key, entry.node.noun());
                report.add(Problem::new(Code::E101, entry.place, title, label).help(WHEN));
                false
            }
        };
    }
    let has = |key| entries.iter().any(|entry| entry.key == key);
    if is_fine && !(has("if") && has("set")) {
        let title = "a [[grid.when]] needs both `if` and `set`";
        report.add(Problem::new(Code::E105, place, title, "one is missing").help(WHEN));
        is_fine = false;
    }
    is_fine
}

fn axis_is_fine(report: &mut Report<'_>, entry: &mut Entry) -> bool {
    if !assignments::is_setting(report, entry) {
        return false;
    }
    report.meant.insert(axis_mark(&entry.key));
    let key = schema::find(&entry.key);
    let items = match &mut entry.node.data {
        Data::List(items) if !items.is_empty() => items,
        Data::List(_) => {
            let title = format!("the axis `{}` has no values", entry.key);
            let label = "a grid with an empty axis has no points";
            let example = key.map(|key| expected(key.kind)).unwrap_or_default();
            let problem = Problem::new(Code::E121, entry.node.place, title, label);
            report.add(problem.help(format!("list its values ({example}), or remove the axis")));
            return false;
        }
        _ => {
            let title = format!("the axis `{}` must be a list of values", entry.key);
            let label = format!("this is {}", entry.node.noun());
            let place = entry.node.place;
            let site = Site {
                path: &entry.key,
                sources: report.sources,
            };
            if let Some(problem) = garbled_list(site, &entry.node) {
                report.add(problem);
                return false;
            }
            let problem = Problem::new(Code::E103, place, title, label);
            let text = format!("[{}]", report.sources.text(place));
            report.add(problem.replace(place, text, "put it in brackets"));
            return false;
        }
    };
    items.retain_mut(|item| match key {
        Some(key) => report.accepts(&entry.key, key.kind, item),
        None => section_is_fine(report, &entry.key, item),
    });
    !items.is_empty()
}
