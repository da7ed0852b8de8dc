//! Whether the keys of one layer exist, and their values fit.

use std::collections::BTreeSet;

pub(in crate::spec) mod value;

use crate::{
    settings::one_of,
    spec::{
        code::Code,
        problem::Problem,
        read::{
            node::{Data, Entry, Node},
            source::Sources,
        },
        schema::{self, join},
        suggest::nearest,
    },
    train::Algorithm,
};

/// Checks layers, and takes out of them what cannot be used, so that one mistake is told once.
pub(in crate::spec) struct Checker<'a> {
    pub(in crate::spec) sources: &'a Sources,
    pub(in crate::spec) problems: &'a mut Vec<Problem>,
    /// Paths of keys that somebody tried to set, in the spelling that they probably meant.
    pub(in crate::spec) meant: &'a mut BTreeSet<String>,
}

impl Checker<'_> {
    pub(in crate::spec) fn add(&mut self, problem: Problem) {
        self.problems.push(problem);
    }

    /// Checks a whole layer.
    pub(in crate::spec) fn layer(&mut self, root: &mut Node) {
        self.section("", root);
    }

    /// Checks the entries of a section, and removes the bad ones.
    pub(in crate::spec) fn section(&mut self, path: &str, node: &mut Node) {
        if let Data::Table(entries) = &mut node.data {
            entries.retain_mut(|entry| self.entry(path, entry));
        }
    }

    fn entry(&mut self, section: &str, entry: &mut Entry) -> bool {
        let path = join(section, &entry.key);
        if entry.key.contains('.') {
            return self.quoted_path(&path, entry);
        }
        if let Some(key) = schema::find(&path) {
            let is_fine = self.value(&path, key.kind, &mut entry.node);
            self.meant.insert(path);
            return is_fine;
        }
        if !schema::is_section(&path) {
            self.unknown(section, entry);
            return false;
        }
        if !matches!(entry.node.data, Data::Table(_)) {
            let names = one_of(&schema::names_in(&path));
            let title = format!("`{path}` is a section, not a value");
            let label = format!("this is {}", entry.node.noun());
            let problem = Problem::new(Code::E103, entry.node.place, title, label);
            self.add(problem.help(format!("set one of its keys: {names}")));
            return false;
        }
        if path == "grid" {
            self.grid(&mut entry.node);
        } else {
            self.section(&path, &mut entry.node);
        }
        true
    }

    fn quoted_path(&mut self, path: &str, entry: &Entry) -> bool {
        let title = format!(
            "a key in quotes is one name: {} is no key",
            quoted(&entry.key)
        );
        let problem = Problem::new(Code::E101, entry.place, title, "not a key");
        self.add(match schema::find(path) {
            Some(_) => problem.replace(entry.place, entry.key.clone(), "remove the quotes"),
            None => problem.help("paths in quotes belong in [grid]"),
        });
        false
    }

    fn unknown(&mut self, section: &str, entry: &mut Entry) {
        let key = entry.key.clone();
        if section == "eval.samples" || section == "data.benchmarks" {
            let names = schema::names_in(section);
            let title = format!("unknown benchmark `{key}`");
            let label = format!("expected {}", one_of(&names));
            let problem = Problem::new(Code::E102, entry.place, title, label);
            self.add(with_guess(problem, &key, &names, entry));
            return;
        }
        let is_table = matches!(entry.node.data, Data::Table(_));
        let what = if is_table { "section" } else { "key" };
        let title = if section.is_empty() {
            format!("unknown {what} `{key}`")
        } else {
            format!("unknown {what} `{key}` in [{section}]")
        };
        let label = match section {
            "" => format!("not a {what} of a spec"),
            section => format!("not a {what} of [{section}]"),
        };
        let problem = Problem::new(Code::E101, entry.place, title, label);
        let homes = homes(section, &key);
        if !homes.is_empty() {
            let full: Vec<String> = homes.iter().map(|home| join(home, &key)).collect();
            let places: Vec<String> = homes.iter().map(|home| bracketed(home)).collect();
            let help = format!(
                "it belongs in {}: write {}",
                places.join(" or "),
                one_of(&full)
            );
            self.add(problem.help(help));
            self.meant.extend(full);
            return;
        }
        let names = schema::names_in(section);
        let Some(guess) = nearest(&key, names.iter().copied()) else {
            self.add(problem.help(far_off(section, &key, &names)));
            return;
        };
        let message = format!("a {what} with a similar name exists: `{guess}`");
        self.add(problem.replace(entry.place, guess, message));
        // The value is looked at as if the key were right: all mistakes at once.
        guess.clone_into(&mut entry.key);
        let path = join(section, guess);
        if schema::find(&path).is_some() || is_table {
            self.meant.insert(path);
            self.entry(section, entry);
        }
    }
}

/// The sections, other than `section`, that have a key or section called `key`.
fn homes(section: &str, key: &str) -> Vec<String> {
    let mut homes: Vec<String> = Vec::new();
    for path in schema::paths() {
        let segments: Vec<&str> = path.split('.').collect();
        for (depth, name) in segments.iter().enumerate() {
            let home = segments[..depth].join(".");
            if *name == key && home != section && !homes.contains(&home) {
                homes.push(home);
            }
        }
    }
    // What all algorithms share is repeated in their tables: the plain section says enough.
    let is_copy = |home: &str| {
        Algorithm::names().iter().any(|algorithm| {
            let own = format!("train.{algorithm}");
            let below = home.strip_prefix(&own);
            below.is_some_and(|rest| {
                let shared = join("train", join(rest.trim_start_matches('.'), key).as_str());
                schema::find(&shared).is_some() || schema::is_section(&shared)
            })
        })
    };
    homes.retain(|home| !is_copy(home));
    let top = section.split('.').next().unwrap_or_default();
    let is_near = |home: &String| !top.is_empty() && home.split('.').next() == Some(top);
    if homes.iter().any(is_near) {
        homes.retain(is_near);
    }
    homes
}

/// What to say about a name that is near to nothing in its section.
fn far_off(section: &str, key: &str, names: &[&'static str]) -> String {
    let elsewhere = schema::paths().filter_map(|path| path.rsplit('.').next());
    if let Some(guess) = nearest(key, elsewhere)
        && let Some(home) = homes(section, guess).first()
    {
        return format!(
            "a key with a similar name exists elsewhere: `{}`",
            join(home, guess)
        );
    }
    let what = if section.is_empty() {
        "a spec has".into()
    } else {
        format!("[{section}] has")
    };
    format!("{what} {}", one_of(names).replace(" or ", " and "))
}

/// Adds the nearest of some names to a problem about a key.
pub(in crate::spec) fn with_guess(
    problem: Problem,
    key: &str,
    names: &[&str],
    entry: &Entry,
) -> Problem {
    match nearest(key, names.iter().copied()) {
        Some(name) => problem.replace(
            entry.place,
            name.to_owned(),
            format!("did you mean `{name}`?"),
        ),
        None => problem,
    }
}

fn bracketed(section: &str) -> String {
    if section.is_empty() {
        "the top of the file".to_owned()
    } else {
        format!("[{section}]")
    }
}

fn quoted(key: &str) -> String {
    format!("`\"{key}\"`")
}
