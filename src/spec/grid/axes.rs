//! Whether the section `[grid]` of one layer makes sense, and its one form: axes by whole path.

use crate::{
    settings::Kind,
    spec::{
        check::{Checker, value::expected},
        code::Code,
        problem::Problem,
        read::node::{Data, Entry, Node},
        schema::{self, join},
        suggest::nearest,
    },
};

/// The tables of `[grid]` that are not axes.
pub(in crate::spec) const GRID_TABLES: [&str; 4] = ["zip", "when", "exclude", "add"];

/// The kind of `table.baseline.method`.
const METHOD: Kind = Kind::Choice("method", || vec!["untrained"]);

/// What an assignment is for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Use {
    /// It chooses points: a list stands for any of its values.
    Condition,
    /// It changes a point.
    Change,
}

impl Checker<'_> {
    /// Checks `[grid]`, and brings nested tables into the form `"train.reward" = [...]`.
    pub(in crate::spec) fn grid(&mut self, node: &mut Node) {
        let Data::Table(entries) = &mut node.data else {
            return;
        };
        let mut kept: Vec<Entry> = Vec::new();
        for mut entry in std::mem::take(entries) {
            if GRID_TABLES.contains(&entry.key.as_str()) {
                if self.tables(&mut entry) {
                    kept.push(entry);
                }
                continue;
            }
            for mut axis in flatten(entry, "") {
                if self.axis(&mut axis) && self.no_axis_twice(&kept, &axis) {
                    if let Data::List(items) = &mut axis.node.data {
                        self.no_item_twice(&axis.key, items);
                    }
                    kept.push(axis);
                }
            }
        }
        *entries = kept;
    }

    /// Checks `table.baseline`: a method, or values of settings.
    pub(in crate::spec) fn baseline(&mut self, node: &mut Node) -> bool {
        if let [Entry { key, .. }] = node.entries()
            && key == "method"
        {
            let Data::Table(entries) = &mut node.data else {
                return false;
            };
            return entries
                .iter_mut()
                .all(|entry| self.value("table.baseline.method", METHOD, &mut entry.node));
        }
        self.assignments(node, Use::Change)
    }

    fn tables(&mut self, entry: &mut Entry) -> bool {
        let key = entry.key.clone();
        let is_list = matches!(&entry.node.data, Data::List(items)
            if items.iter().all(|item| matches!(item.data, Data::Table(_))));
        let Data::List(tables) = &mut entry.node.data else {
            return self.not_tables(&key, entry);
        };
        if !is_list {
            return self.not_tables(&key, entry);
        }
        tables.retain_mut(|table| match key.as_str() {
            "zip" => self.zip(table),
            "when" => self.when(table),
            "exclude" => self.assignments(table, Use::Condition),
            _ => self.assignments(table, Use::Change),
        });
        !tables.is_empty()
    }

    fn not_tables(&mut self, key: &str, entry: &Entry) -> bool {
        let title = format!("`grid.{key}` must be a list of tables");
        let label = format!("this is {}", entry.node.noun());
        let problem = Problem::new(Code::E103, entry.place, title, label);
        self.add(problem.help(format!("write [[grid.{key}]] with two pairs of brackets")));
        false
    }

    fn zip(&mut self, table: &mut Node) -> bool {
        let Data::Table(entries) = &mut table.data else {
            return false;
        };
        let mut kept: Vec<Entry> = Vec::new();
        for entry in std::mem::take(entries) {
            for mut axis in flatten(entry, "") {
                if self.axis(&mut axis) && self.no_axis_twice(&kept, &axis) {
                    kept.push(axis);
                }
            }
        }
        let lengths_fit = self.equal_lengths(&kept);
        *entries = kept;
        lengths_fit && !entries.is_empty()
    }

    fn equal_lengths(&mut self, axes: &[Entry]) -> bool {
        let Some(first) = axes.first() else {
            return true;
        };
        let count = first.node.items().len();
        let other = axes.iter().find(|axis| axis.node.items().len() != count);
        if let Some(other) = other {
            let title = "the axes of a [[grid.zip]] must have equally many values";
            let label = format!("{} values", other.node.items().len());
            let problem = Problem::new(Code::E122, other.node.place, title, label);
            self.add(
                problem
                    .also(first.node.place, format!("{count} values"))
                    .help("they move together; to cross them, put them under [grid]"),
            );
        }
        other.is_none()
    }

    fn when(&mut self, table: &mut Node) -> bool {
        let place = table.place;
        let Data::Table(entries) = &mut table.data else {
            return false;
        };
        let mut is_fine = true;
        for entry in entries.iter_mut() {
            let is_table = matches!(entry.node.data, Data::Table(_));
            is_fine &= match entry.key.as_str() {
                "if" if is_table => self.assignments(&mut entry.node, Use::Condition),
                "set" if is_table => self.assignments(&mut entry.node, Use::Change),
                _ => {
                    let title = "a [[grid.when]] has the tables `if` and `set`, and nothing else";
                    let label = format!("`{}` is {}", entry.key, entry.node.noun());
                    self.add(Problem::new(Code::E101, entry.place, title, label).help(WHEN));
                    false
                }
            };
        }
        let has = |key| entries.iter().any(|entry| entry.key == key);
        if is_fine && !(has("if") && has("set")) {
            let title = "a [[grid.when]] needs both `if` and `set`";
            self.add(Problem::new(Code::E105, place, title, "one is missing").help(WHEN));
            is_fine = false;
        }
        is_fine
    }

    fn assignments(&mut self, table: &mut Node, purpose: Use) -> bool {
        let place = table.place;
        let Data::Table(entries) = &mut table.data else {
            return false;
        };
        let mut is_fine = true;
        let mut kept: Vec<Entry> = Vec::new();
        for entry in std::mem::take(entries) {
            for mut assignment in flatten(entry, "") {
                is_fine &= self.assignment(&mut assignment, purpose)
                    && self.no_axis_twice(&kept, &assignment);
                kept.push(assignment);
            }
        }
        if kept.is_empty() {
            let problem = Problem::new(Code::E121, place, "this table is empty", "no setting here");
            self.add(problem.help("name settings and their values: \"train.algorithm\" = \"sft\""));
        }
        *entries = kept;
        is_fine && !entries.is_empty()
    }

    fn assignment(&mut self, entry: &mut Entry, purpose: Use) -> bool {
        if !self.is_setting(entry, purpose == Use::Change) {
            return false;
        }
        let Some(key) = schema::find(&entry.key) else {
            return self.section_value(&entry.key.clone(), &mut entry.node);
        };
        let takes_list = matches!(key.kind, Kind::List(_) | Kind::Subset { .. });
        match &mut entry.node.data {
            Data::List(items) if purpose == Use::Condition && !takes_list => {
                let before = items.len();
                items.retain_mut(|item| self.value(&entry.key, key.kind, item));
                items.len() == before
            }
            _ => self.value(&entry.key, key.kind, &mut entry.node),
        }
    }

    fn axis(&mut self, entry: &mut Entry) -> bool {
        if !self.is_setting(entry, true) {
            return false;
        }
        self.meant.insert(axis_mark(&entry.key));
        let path = entry.key.clone();
        let written = self.sources.text(entry.node.place).to_owned();
        let Data::List(items) = &mut entry.node.data else {
            let title = format!("the axis `{path}` must be a list of values");
            let label = format!("this is {}", entry.node.noun());
            let problem = Problem::new(Code::E103, entry.node.place, title, label);
            self.add(problem.replace(
                entry.node.place,
                format!("[{written}]"),
                "put it in brackets",
            ));
            return false;
        };
        if items.is_empty() {
            let title = format!("the axis `{path}` has no values");
            let label = "a grid with an empty axis has no points";
            let example = schema::find(&path)
                .map(|key| expected(key.kind))
                .unwrap_or_default();
            let problem = Problem::new(Code::E121, entry.node.place, title, label);
            self.add(problem.help(format!("list its values ({example}), or remove the axis")));
            return false;
        }
        let mut kept = Vec::new();
        for mut item in std::mem::take(items) {
            let is_fine = match schema::find(&path) {
                Some(key) => self.value(&path, key.kind, &mut item),
                None => self.section_value(&path, &mut item),
            };
            if is_fine {
                kept.push(item);
            }
        }
        *items = kept;
        !items.is_empty()
    }

    fn section_value(&mut self, path: &str, node: &mut Node) -> bool {
        if let Data::Table(_) = node.data {
            let before = self.problems.len();
            self.section(path, node);
            return self.problems.len() == before;
        }
        let title = format!("`{path}` is a section, not a value");
        let label = format!("this is {}", node.noun());
        let problem = Problem::new(Code::E103, node.place, title, label);
        let names: Vec<String> = schema::names_in(path)
            .iter()
            .map(|name| format!("`{path}.{name}`"))
            .collect();
        self.add(problem.help(format!("name one of its keys: {}", names.join(", "))));
        false
    }

    /// Whether an entry of the grid names a setting; if `must_change`, one that differs from
    /// point to point.
    fn is_setting(&mut self, entry: &Entry, must_change: bool) -> bool {
        let path = entry.key.as_str();
        let exists = schema::find(path).is_some() || (!path.is_empty() && schema::is_section(path));
        if exists {
            let Some(reason) = schema::reason_against_sweeping(path).filter(|_| must_change) else {
                return true;
            };
            let title = format!("`{path}` cannot differ from point to point");
            let problem = Problem::new(Code::E120, entry.place, title, reason);
            self.add(problem.help("set it in its own section"));
            return false;
        }
        let title = format!("`{path}` is no setting");
        let label = "no key of a spec has this path";
        let problem = Problem::new(Code::E120, entry.place, title, label);
        let guess = nearest(path, schema::paths().chain(GRID_TABLES)).or_else(|| by_last(path));
        self.meant.insert(axis_mark(path));
        self.meant.extend(guess.map(axis_mark));
        let Some(guess) = guess else {
            self.add(problem.help("a setting is the path of a key, such as \"train.reward\""));
            return false;
        };
        let message = format!("did you mean `{guess}`?");
        let is_whole = self.sources.text(entry.place).trim_matches(['"', '\'']) == path;
        let text = if guess.contains('.') {
            format!("\"{guess}\"")
        } else {
            guess.to_owned()
        };
        self.add(if is_whole {
            problem.replace(entry.place, text, message)
        } else {
            problem.help(message)
        });
        false
    }

    fn no_axis_twice(&mut self, kept: &[Entry], entry: &Entry) -> bool {
        let Some(first) = kept.iter().find(|other| other.key == entry.key) else {
            return true;
        };
        self.add(twice(first, entry));
        false
    }
}

const WHEN: &str =
    "for instance: if = { \"train.algorithm\" = \"sft\" } and set = { \"train.batch_size\" = 16 }";

/// The mistake of an axis that stands in two places.
pub(in crate::spec) fn twice(first: &Entry, second: &Entry) -> Problem {
    let title = format!("`{}` stands in the grid twice", second.key);
    let problem = Problem::new(Code::E124, second.place, title, "remove one of the two");
    problem.also(first.place, "the first is here")
}

/// How `Checker::meant` remembers an axis.
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
pub(in crate::spec) fn flatten(entry: Entry, prefix: &str) -> Vec<Entry> {
    let path = join(prefix, &entry.key);
    match entry.node.data {
        Data::Table(entries) if !entries.is_empty() => entries
            .into_iter()
            .flat_map(|inner| flatten(inner, &path))
            .collect(),
        _ => vec![Entry { key: path, ..entry }],
    }
}
