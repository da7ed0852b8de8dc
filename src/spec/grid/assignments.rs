//! Tables of the grid whose keys are the paths of settings.

use crate::{
    settings::Kind,
    spec::{
        check::{report::Report, section},
        code::Code,
        problem::Problem,
        read::node::{Data, Entry, Node},
        schema::{self, join},
        suggest::nearest,
    },
};

/// The tables of `[grid]` that are not axes.
pub(super) const TABLES: [&str; 4] = ["zip", "when", "exclude", "add"];

/// The kind of `table.baseline.method`.
const METHOD: Kind = Kind::Choice("method", || vec!["untrained"]);

/// What an assignment is for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    /// It chooses points: a list stands for any of its values.
    Condition,
    /// It changes a point.
    Change,
}

/// Checks `table.baseline` of a layer, and removes it if it is bad: it is a method, or values of
/// settings.
pub(in crate::spec) fn check_baseline(report: &mut Report<'_>, root: &mut Node) {
    let Some(table) = root.get_mut("table") else {
        return;
    };
    let is_bad = table
        .get_mut("baseline")
        .is_some_and(|node| !is_baseline(report, node));
    if is_bad {
        table.remove("baseline");
    }
}

fn is_baseline(report: &mut Report<'_>, node: &mut Node) -> bool {
    if let Data::Table(entries) = &mut node.data
        && let [Entry { key, node, .. }] = entries.as_mut_slice()
        && key == "method"
    {
        return report.accepts("table.baseline.method", METHOD, node);
    }
    check(report, node, Purpose::Change)
}

/// Checks a table of assignments, and brings it into its one form: whole paths as keys. Returns
/// whether it can be used.
pub(super) fn check(report: &mut Report<'_>, table: &mut Node, purpose: Purpose) -> bool {
    let place = table.place;
    let Data::Table(entries) = &mut table.data else {
        return false;
    };
    let mut is_fine = true;
    let mut kept: Vec<Entry> = Vec::new();
    for entry in std::mem::take(entries) {
        for mut assignment in flatten(entry, "") {
            is_fine &= assignment_is_fine(report, &mut assignment, purpose)
                && is_first(report, &kept, &assignment);
            kept.push(assignment);
        }
    }
    if kept.is_empty() {
        let problem = Problem::new(Code::E121, place, "this table is empty", "no setting here");
        report.add(problem.help("name settings and their values: \"train.algorithm\" = \"sft\""));
    }
    *entries = kept;
    is_fine && !entries.is_empty()
}

fn assignment_is_fine(report: &mut Report<'_>, entry: &mut Entry, purpose: Purpose) -> bool {
    if !is_setting(report, entry) {
        return false;
    }
    let Some(key) = schema::find(&entry.key) else {
        return section_is_fine(report, &entry.key, &mut entry.node);
    };
    let takes_list = matches!(key.kind, Kind::List(_) | Kind::Words | Kind::Subset { .. });
    match &mut entry.node.data {
        Data::List(items) if purpose == Purpose::Condition && !takes_list => {
            let before = items.len();
            items.retain_mut(|item| report.accepts(&entry.key, key.kind, item));
            items.len() == before
        }
        _ => report.accepts(&entry.key, key.kind, &mut entry.node),
    }
}

/// Checks the table of a section that is the value of an axis or of an assignment.
pub(super) fn section_is_fine(report: &mut Report<'_>, path: &str, node: &mut Node) -> bool {
    if let Data::Table(_) = node.data {
        let before = report.problems.len();
        section::check(report, path, node);
        return report.problems.len() == before;
    }
    let title = format!("`{path}` is a section, not a value");
    let label = format!("this is {}", node.noun());
    let problem = Problem::new(Code::E103, node.place, title, label);
    let names: Vec<String> = schema::names_in(path)
        .iter()
        .map(|name| format!("`{path}.{name}`"))
        .collect();
    report.add(problem.help(format!("name one of its keys: {}", names.join(", "))));
    false
}

/// Whether an entry of the grid names a setting that may differ from point to point.
pub(super) fn is_setting(report: &mut Report<'_>, entry: &Entry) -> bool {
    let path = entry.key.as_str();
    let exists = schema::find(path).is_some() || (!path.is_empty() && schema::is_section(path));
    if exists {
        let Some(reason) = schema::reason_against_sweeping(path) else {
            return true;
        };
        let title = format!("`{path}` cannot differ from point to point");
        let problem = Problem::new(Code::E120, entry.place, title, reason);
        report.add(problem.help("set it in its own section"));
        return false;
    }
    let guess = nearest(path, schema::paths().chain(TABLES)).or_else(|| by_last(path));
    report.meant.insert(axis_mark(path));
    report.meant.extend(guess.map(axis_mark));
    let written = report.sources.text(entry.place);
    let problem = no_setting(entry, guess, written);
    report.add(problem);
    false
}

fn no_setting(entry: &Entry, guess: Option<&str>, written: &str) -> Problem {
    let path = entry.key.as_str();
    let title = format!("`{path}` is not a setting");
    let label = "no key of a spec has this path";
    let problem = Problem::new(Code::E120, entry.place, title, label);
    let Some(guess) = guess else {
        return problem.help("a setting is the path of a key, such as \"train.reward\"");
    };
    let message = format!("did you mean `{guess}`?");
    if written.trim_matches(['"', '\'']) != path {
        return problem.help(message);
    }
    let text = if guess.contains('.') {
        format!("\"{guess}\"")
    } else {
        guess.to_owned()
    };
    problem.replace(entry.place, text, message)
}

/// Whether no other entry has the same path.
pub(super) fn is_first(report: &mut Report<'_>, others: &[Entry], entry: &Entry) -> bool {
    let Some(first) = others.iter().find(|other| other.key == entry.key) else {
        return true;
    };
    report.add(twice(first, entry));
    false
}

/// The mistake of an axis that the grid has twice.
pub(super) fn twice(first: &Entry, second: &Entry) -> Problem {
    let title = format!("the grid has `{}` twice", second.key);
    let problem = Problem::new(Code::E124, second.place, title, "remove one of the two");
    problem.also(first.place, "the first is here")
}

/// How `Report::meant` remembers an axis.
pub(in crate::spec) fn axis_mark(path: &str) -> String {
    format!("grid:{path}")
}

/// The one key whose last name is that of `path`, as `reward` for `train.reward`.
fn by_last(path: &str) -> Option<&'static str> {
    let last = path.rsplit('.').next()?;
    schema::paths()
        .filter(|key| key.rsplit('.').next() == Some(last))
        .min_by_key(|key| key.split('.').count())
}

/// The leaves of an entry, with whole paths as keys.
pub(super) fn flatten(entry: Entry, prefix: &str) -> Vec<Entry> {
    let path = join(prefix, &entry.key);
    match entry.node.data {
        // The value of a key may be a table too, such as a sum of rewards.
        Data::Table(entries) if !entries.is_empty() && schema::find(&path).is_none() => entries
            .into_iter()
            .flat_map(|inner| flatten(inner, &path))
            .collect(),
        _ => vec![Entry { key: path, ..entry }],
    }
}
