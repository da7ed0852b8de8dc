//! What distinguishes two jobs: the values of their identities, by the paths that a spec has for them.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use serde::Serialize;
use serde_json::Value as Json;

use super::JobId;

/// Where a job starts that builds on another one; in what that differs is said of its own values.
const TRAINING: &str = "a training";

/// Digests are long; so many of their digits distinguish those of one project.
const DIGITS: usize = 8;

/// What kind of value differs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A setting of the spec.
    Setting,
    /// The bytes of a file of data, of a prompt or of a reward.
    Data,
    /// The base model.
    Model,
    /// What the program computes from the same inputs: `RECIPE_VERSION`, or how it judges.
    Recipe,
}

/// A value in which two jobs differ.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Difference {
    /// Its path in a spec; that of a value of the training before the job begins with `start.`.
    pub path: String,
    /// What kind of value it is.
    pub kind: Kind,
    /// The value of the first job, if it has one.
    pub ours: Option<Json>,
    /// The value of the second job, if it has one.
    pub theirs: Option<Json>,
}

/// The values in the identity of a job and of those that it builds on, by their paths in a spec. `upstream` knows
/// the identities of other jobs.
pub fn leaves_of(
    identity: &Json,
    upstream: &dyn Fn(&JobId) -> Option<Json>,
) -> BTreeMap<String, Json> {
    let mut leaves = BTreeMap::new();
    add(identity, "", upstream, &mut leaves);
    leaves
}

fn add(
    identity: &Json,
    prefix: &str,
    upstream: &dyn Fn(&JobId) -> Option<Json>,
    into: &mut BTreeMap<String, Json>,
) {
    for (name, value) in identity.as_object().into_iter().flatten() {
        match (name.as_str(), value.get("job").and_then(Json::as_str)) {
            ("start", Some(id)) => {
                let before = upstream(&JobId(id.to_owned()));
                let what = if before.is_some() { TRAINING } else { id };
                into.insert(format!("{prefix}start"), Json::from(what));
                if let Some(before) = before {
                    add(&before, &format!("{prefix}start."), upstream, into);
                }
            }
            _ => collect(value, prefix, name, into),
        }
    }
}

fn collect(value: &Json, prefix: &str, path: &str, into: &mut BTreeMap<String, Json>) {
    match value {
        Json::Object(members) if path == "train.algorithm" => {
            for (algorithm, settings) in members {
                let name = Json::from(algorithm.as_str());
                into.insert(format!("{prefix}{path}"), name);
                collect(settings, prefix, &format!("train.{algorithm}"), into);
            }
        }
        Json::Object(members) => {
            for (name, value) in members {
                collect(value, prefix, &format!("{path}.{name}"), into);
            }
        }
        Json::Null => {}
        value => {
            into.insert(format!("{prefix}{}", path_in_spec(path)), value.clone());
        }
    }
}

/// The path that a spec has for a value of an identity.
fn path_in_spec(path: &str) -> String {
    for (here, there) in [
        ("train.reward_settings.", "reward."),
        ("evaluation.", "train.eval."),
        ("seed", "run.seeds"),
        ("backend", "run.backend"),
        ("kv_cache", "model.kv_cache"),
    ] {
        if let Some(rest) = path.strip_prefix(here)
            && (rest.is_empty() || here.ends_with('.'))
        {
            return format!("{there}{rest}");
        }
    }
    path.to_owned()
}

/// In what two jobs differ, by the leaves of their identities: the settings first.
pub fn differences(
    ours: &BTreeMap<String, Json>,
    theirs: &BTreeMap<String, Json>,
) -> Vec<Difference> {
    let mut found = Vec::new();
    let paths: BTreeSet<&String> = ours.keys().chain(theirs.keys()).collect();
    for path in paths {
        let (ours, theirs) = (ours.get(path), theirs.get(path));
        if ours != theirs {
            found.push(Difference {
                path: path.clone(),
                kind: kind(path),
                ours: ours.cloned(),
                theirs: theirs.cloned(),
            });
        }
    }
    // Another algorithm has other settings, and what starts elsewhere builds on another job or on none: they say
    // nothing more.
    let tables = |one: &Difference| {
        if without_start(&one.path).1 == "start" {
            return Some([Some(format!("{}.", one.path)), None]);
        }
        let prefix = one.path.strip_suffix("train.algorithm")?;
        let table = |name: &Json| Some(format!("{prefix}train.{}.", name.as_str()?));
        Some([&one.ours, &one.theirs].map(|name| name.as_ref().and_then(table)))
    };
    let tables: Vec<String> = found
        .iter()
        .filter_map(tables)
        .flatten()
        .flatten()
        .collect();
    found.retain(|one| !tables.iter().any(|table| one.path.starts_with(table)));
    found.sort_by(|one, other| (one.kind, &one.path).cmp(&(other.kind, &other.path)));
    found
}

fn kind(path: &str) -> Kind {
    let path = without_start(path).1;
    if path == "recipe" || path.ends_with(".judging") {
        Kind::Recipe
    } else if path.starts_with("digests.model.") {
        Kind::Model
    } else if path.starts_with("digests.") {
        Kind::Data
    } else {
        Kind::Setting
    }
}

/// How many trainings are between a job and a value, and the value's own path.
fn without_start(mut path: &str) -> (usize, &str) {
    let mut depth = 0;
    while let Some(rest) = path.strip_prefix("start.") {
        (depth, path) = (depth + 1, rest);
    }
    (depth, path)
}

impl fmt::Display for Difference {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (depth, path) = without_start(&self.path);
        match depth {
            0 => {}
            1 => formatter.write_str("its training: ")?,
            _ => formatter.write_str("a training before: ")?,
        }
        let word = |value: &Option<Json>| match value {
            None => "none".to_owned(),
            Some(Json::String(text)) if self.kind != Kind::Setting => {
                text.chars().take(DIGITS).collect()
            }
            Some(Json::String(text)) => text.clone(),
            Some(value) => value.to_string(),
        };
        let (ours, theirs) = (word(&self.ours), word(&self.theirs));
        let what = match self.kind {
            Kind::Setting => path.to_owned(),
            Kind::Recipe => "what the program computes, version".to_owned(),
            Kind::Data | Kind::Model => {
                format!("the bytes of {}", path.trim_start_matches("digests."))
            }
        };
        write!(formatter, "{what} {theirs} -> {ours}")
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn none(_: &JobId) -> Option<Json> {
        None
    }

    fn words(ours: &Json, theirs: &Json, upstream: &dyn Fn(&JobId) -> Option<Json>) -> Vec<String> {
        let found = differences(&leaves_of(ours, upstream), &leaves_of(theirs, upstream));
        found.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn differences_have_the_paths_of_a_spec_and_their_kind() {
        let ours = json!({
            "recipe": 4, "seed": 1, "backend": "cpu", "model": {"dtype": "f32"},
            "train": {"lr": {"peak": 0.1}, "algorithm": {"grpo": {"beta": 0.1}},
                      "reward_settings": {"clip": 1}},
            "digests": {"data.train": "0123456789", "model.base": "aa"},
        });
        let theirs = json!({
            "recipe": 3, "seed": 2, "backend": "cpu", "model": {"dtype": "f32"},
            "train": {"lr": {"peak": 0.2}, "algorithm": {"grpo": {"beta": 0.2}},
                      "reward_settings": {"clip": 2}},
            "digests": {"data.train": "9876543210", "model.base": "bb"},
        });

        assert_eq!(
            words(&ours, &theirs, &none),
            [
                "reward.clip 2 -> 1",
                "run.seeds 2 -> 1",
                "train.grpo.beta 0.2 -> 0.1",
                "train.lr.peak 0.2 -> 0.1",
                "the bytes of data.train 98765432 -> 01234567",
                "the bytes of model.base bb -> aa",
                "what the program computes, version 3 -> 4",
            ]
        );
        assert!(words(&ours, &ours, &none).is_empty());
    }

    #[test]
    fn another_algorithm_is_one_difference() {
        let with = |name: &str| json!({"train": {"algorithm": {name: {"beta": 1, "clip": 2}}}});

        assert_eq!(
            words(&with("grpo"), &with("rloo"), &none),
            ["train.algorithm rloo -> grpo"]
        );
    }

    #[test]
    fn jobs_on_different_trainings_differ_in_what_the_trainings_differ_in() {
        let eval = |id: &str| json!({"seed": 1, "start": {"job": id}});
        let known = |id: &JobId| match id.0.as_str() {
            "train-1" => Some(json!({"train": {"max_steps": 1}, "start": "base"})),
            "train-2" => Some(json!({"train": {"max_steps": 2}, "start": "base"})),
            _ => None,
        };

        assert_eq!(
            words(&eval("train-1"), &eval("train-2"), &known),
            ["its training: train.max_steps 2 -> 1"]
        );
        // The identity of a training that was removed is not known.
        assert_eq!(
            words(&eval("train-1"), &eval("train-3"), &known),
            ["start train-3 -> a training"]
        );
    }
}
