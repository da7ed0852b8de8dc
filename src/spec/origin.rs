//! Where each value of an experiment was set, and what it won over.

use serde::Serialize;
use serde_json::Value as Json;

use super::{
    experiment::Experiment,
    read::layered::{Layered, Setting},
    schema,
};
use crate::train::Algorithm;

/// A value, and the layers that set it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SetValue {
    /// The whole path, such as `train.lr.peak`.
    pub path: String,
    /// The keys of the path; that of an axis of the grid has dots in it.
    #[serde(skip)]
    pub keys: Vec<String>,
    /// The value that holds.
    pub value: Json,
    /// The file and line, the variable or the flag that set it.
    pub place: String,
    /// What the weaker layers say, the strongest of them first.
    pub over: Vec<Overruled>,
    /// The path of the setting that is read in place of this one, if one is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub instead: Option<String>,
}

/// A value that a stronger layer has replaced.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Overruled {
    /// The value.
    pub value: Json,
    /// Where it is.
    pub place: String,
}

impl Experiment {
    /// Every value of a point, in alphabetical order of the paths; without a point, those that all points share,
    /// and the grid.
    pub fn values(&self, point: Option<usize>) -> Vec<SetValue> {
        let written = &self.written;
        let layered = match point {
            Some(point) => written.points.get(point),
            None => written.layered.as_ref(),
        };
        let Some(layered) = layered else {
            return Vec::new();
        };
        let trainings = point.map(|_| trainings(layered));
        let mut values = Vec::new();
        for (keys, settings) in layered.histories() {
            let is_of_grid = keys.first() == Some(&"grid");
            if keys == ["include"] || (is_of_grid && point.is_some()) {
                continue;
            }
            let path = keys.join(".");
            let is_read = |trainings: &Vec<String>| is_of(&path, trainings);
            if !trainings.as_ref().is_none_or(is_read) {
                continue;
            }
            let place = |setting: &Setting<'_>| written.sources.describe(setting.place());
            let mut layers = settings.iter().map(|setting| Overruled {
                value: setting.entry.node.to_json(),
                place: place(setting),
            });
            let Some(Overruled { value, place }) = layers.next() else {
                continue;
            };
            let trainings = trainings.as_deref().unwrap_or_default();
            values.push(SetValue {
                over: layers.collect(),
                instead: read_instead(layered, &path, trainings),
                keys: keys.into_iter().map(str::to_owned).collect(),
                path,
                value,
                place,
            });
        }
        values
    }
}

/// The algorithms of a point, in their order.
fn trainings(point: &Layered) -> Vec<String> {
    let text = |path: &str| Some(point.json(path)?.as_str()?.to_owned());
    let algorithm = text("train.algorithm").filter(|name| name != "none");
    let Some(algorithm) = algorithm else {
        return Vec::new();
    };
    let before = text(&format!("train.{algorithm}.after")).filter(|name| name != "none");
    before.into_iter().chain([algorithm]).collect()
}

/// Whether a path is not one of an algorithm that the point does not train with.
fn is_of(path: &str, trainings: &[String]) -> bool {
    let Some((table, _)) = path
        .strip_prefix("train.")
        .and_then(|path| path.split_once('.'))
    else {
        return true;
    };
    let is_algorithm = Algorithm::names().contains(&table);
    !is_algorithm || trainings.iter().any(|name| name == table)
}

/// The setting that a training reads in place of another one: a key of its algorithm's table, or the same key of
/// `[train]` where a later layer sets that.
fn read_instead(point: &Layered, path: &str, trainings: &[String]) -> Option<String> {
    let rest = path.strip_prefix("train.")?;
    let (table, below) = rest.split_once('.').unwrap_or((rest, ""));
    let wins = |own: &str, shared: &str| match (point.get(own), point.get(shared)) {
        (Some(own), Some(shared)) => own.layer >= shared.layer,
        (own, _) => own.is_some(),
    };
    if Algorithm::names().contains(&table) {
        let is_shared = schema::shared_paths().any(|shared| shared == below);
        let shared = format!("train.{below}");
        return (is_shared && !wins(path, &shared)).then_some(shared);
    }
    // With a training before it, the other one may read the shared key.
    let [algorithm] = trainings else {
        return None;
    };
    let own = format!("train.{algorithm}.{rest}");
    let is_shared = schema::shared_paths().any(|shared| shared == rest);
    (is_shared && wins(&own, path)).then_some(own)
}
