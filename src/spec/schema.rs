//! What a spec may have: the keys of `keys.rs` by their whole paths.
//!
//! The one table behind validation, suggestions and documentation. A test holds it against the
//! structs that jobs are told (`crate::train::TrainSettings`, ...): the keys must be the same.

use std::{collections::BTreeMap, sync::LazyLock};

use crate::train::Algorithm;

use super::{
    benchmark,
    keys::{BENCHMARK_FILE, CISPO, DAPO, GENERAL, GRPO, GSPO, SAMPLES, SFT, SHARED, TRAIN},
    variants::variants,
};

/// A key of the spec.
#[derive(Debug)]
pub(super) struct Key {
    /// The path below its section, with dots.
    pub(super) path: &'static str,
    pub(super) kind: Kind,
    /// What it is for, in one sentence.
    #[cfg_attr(
        not(test),
        expect(dead_code, reason = "for `recode explain`, which is to come")
    )]
    pub(super) doc: &'static str,
}

/// What values a key takes.
#[derive(Clone, Copy, Debug)]
pub(super) enum Kind {
    /// Any text.
    Text,
    /// A text that can be a folder's name.
    Name,
    /// `true` or `false`.
    Flag,
    /// One of some names; what a message calls them, and the names.
    Choice(&'static str, fn() -> Vec<&'static str>),
    /// A whole number from the first to the second, both included.
    Whole(i64, i64),
    /// A number in a range.
    Number(Range),
    /// A file.
    File,
    /// A name of the manifest, a folder, `scratch` or `remote`.
    Model,
    /// A name of the manifest, or a file.
    DataSet,
    /// Projections: a named set or a list.
    Targets,
    /// A list with at least one item.
    List(&'static Self),
    /// A list, or one text.
    TextOrList,
    /// An amount of memory, as `70GiB`; at least so many bytes.
    Memory(u64),
    /// A length of time, as `20h`.
    Time,
    /// A table whose keys are paths of settings.
    Assignments,
}

/// A range of numbers.
#[derive(Clone, Copy, Debug)]
pub(super) struct Range {
    pub(super) low: f64,
    pub(super) high: f64,
    /// Whether `low` itself is outside.
    pub(super) is_open_below: bool,
    /// Whether `high` itself is outside.
    pub(super) is_open_above: bool,
}

impl Range {
    pub(super) fn holds(self, number: f64) -> bool {
        let above = if self.is_open_below {
            number > self.low
        } else {
            number >= self.low
        };
        let below = if self.is_open_above {
            number < self.high
        } else {
            number <= self.high
        };
        above && below && number.is_finite()
    }
}

/// The algorithms with settings of their own.
pub(super) fn algorithms() -> Vec<&'static str> {
    variants::<Algorithm>()
}

/// All keys by their whole path.
static KEYS: LazyLock<BTreeMap<String, &'static Key>> = LazyLock::new(|| {
    let own: [(&str, &'static [Key]); 5] = [
        ("sft", SFT),
        ("grpo", GRPO),
        ("dapo", DAPO),
        ("gspo", GSPO),
        ("cispo", CISPO),
    ];
    let mut keys = BTreeMap::new();
    for key in GENERAL {
        keys.insert(key.path.to_owned(), key);
    }
    for key in TRAIN.iter().chain(SHARED) {
        keys.insert(format!("train.{}", key.path), key);
    }
    for (algorithm, own) in own {
        for key in SHARED.iter().chain(own) {
            keys.insert(format!("train.{algorithm}.{}", key.path), key);
        }
    }
    for name in benchmark::names() {
        keys.insert(format!("eval.samples.{name}"), &SAMPLES);
        keys.insert(format!("data.benchmarks.{name}"), &BENCHMARK_FILE);
    }
    keys
});

/// The key with a whole path, such as `train.lr.peak`.
pub(super) fn find(path: &str) -> Option<&'static Key> {
    KEYS.get(path).copied()
}

/// Whether some key lies below a path; the root, `grid` and the tables in it are sections too.
pub(super) fn is_section(path: &str) -> bool {
    path.is_empty() || path == "grid" || paths().any(|key| is_below(key, path))
}

/// The names that may stand directly in a section.
pub(super) fn names_in(section: &str) -> Vec<&'static str> {
    let mut names: Vec<&'static str> = paths()
        .filter_map(|key| {
            let rest = if section.is_empty() {
                Some(key)
            } else {
                rest_below(key, section)
            };
            rest?.split('.').next()
        })
        .collect();
    if section.is_empty() {
        names.push("grid");
    }
    names.sort_unstable();
    names.dedup();
    names
}

/// All paths, in alphabetical order.
pub(super) fn paths() -> impl Iterator<Item = &'static str> {
    KEYS.keys().map(String::as_str)
}

/// The paths of the keys that an algorithm's table may repeat, below `[train]`.
pub(super) fn shared_paths() -> impl Iterator<Item = &'static str> {
    SHARED.iter().map(|key| key.path)
}

/// Why a setting cannot be an axis of the grid, if it cannot.
pub(super) fn reason_against_sweeping(path: &str) -> Option<&'static str> {
    match path.split('.').next() {
        Some("include" | "name" | "description" | "table" | "grid") => {
            Some("it belongs to the whole experiment, not to one point of it")
        }
        Some("run") if path == "run.slots" || path.starts_with("run.needs") => {
            Some("it says how to run, and changes no result")
        }
        _ => None,
    }
}

fn is_below(key: &str, section: &str) -> bool {
    rest_below(key, section).is_some()
}

fn rest_below<'a>(key: &'a str, section: &str) -> Option<&'a str> {
    key.strip_prefix(section)?.strip_prefix('.')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_has_a_sentence() {
        for path in paths() {
            let doc = find(path).unwrap().doc;
            assert!(
                doc.ends_with('.') && doc.starts_with(char::is_uppercase),
                "{path}: {doc}"
            );
        }
    }

    #[test]
    fn every_algorithm_has_a_table() {
        for algorithm in algorithms() {
            assert!(is_section(&format!("train.{algorithm}")), "{algorithm}");
        }
    }

    #[test]
    fn sections_list_what_stands_directly_in_them() {
        assert_eq!(names_in("reward"), ["normalizer"]);
        assert_eq!(
            names_in("train.lr"),
            ["floor", "peak", "schedule", "warmup_steps"]
        );
        assert!(names_in("").contains(&"grid"));
        assert!(!is_section("train.max_steps") && !is_section("trai"));
    }
}
