//! What somebody has written in a spec, as opposed to what holds by default.

use super::{alternatives::alternatives, inert};
use crate::spec::{
    point::resolve,
    problem::Problem,
    read::{
        layered::Layered,
        node::{Data, Node},
        source::{Kind, Place, Sources},
    },
    schema::{self, join},
    settings::Settings,
};

/// In a grid with more points than this, no setting is compared with other values.
const MAX_POINTS: usize = 256;

/// A spec as it was written.
#[derive(Clone, Debug, Default)]
pub(in crate::spec) struct Written {
    pub(in crate::spec) sources: Sources,
    /// Warnings that need no plan.
    pub(in crate::spec) warnings: Vec<Problem>,
    /// All layers without the grid.
    pub(in crate::spec) layered: Option<Layered>,
    /// The layers of each point.
    pub(in crate::spec) points: Vec<Layered>,
    /// The layers of each point without the environment and the command line, if these change something.
    pub(in crate::spec) own_points: Vec<Layered>,
    /// Where the axes are, by their path.
    pub(in crate::spec) axes: Vec<(String, Place)>,
    /// Where the baseline is, and whether the environment or the command line may have made it useless.
    pub(in crate::spec) baseline: Option<(Place, bool)>,
}

/// A setting that the spec itself, the environment or the command line sets.
#[derive(Clone, Debug)]
pub struct WrittenSetting {
    pub(in crate::spec) path: String,
    pub(in crate::spec) layer: usize,
    pub(in crate::spec) place: Place,
    value: Node,
    is_of_the_file: bool,
}

impl WrittenSetting {
    /// Its whole path, such as `train.lr.peak`.
    pub fn path(&self) -> &str {
        &self.path
    }
}

/// The settings of a point, and of the same point if one setting had other values; none of those that do not
/// make sense.
#[derive(Debug)]
pub struct Comparison {
    /// As it is.
    pub is: Settings,
    /// With other values.
    pub others: Vec<Option<Settings>>,
    /// Whether the setting has no effect here, although it is part of a job.
    pub is_inert: bool,
}

impl Written {
    /// The settings that are worth comparing with other values: not those of an included file, which many
    /// specs share, nor those that say what holds anyway.
    pub(in crate::spec) fn settings(&self) -> Vec<WrittenSetting> {
        let Some(layered) = &self.layered else {
            return Vec::new();
        };
        if self.points.len() > MAX_POINTS {
            return Vec::new();
        }
        let mut settings = Vec::new();
        for (layer, tree) in layered.trees().enumerate() {
            let is_of_the_file = match self.sources.get(tree.place.source).kind {
                Kind::Defaults
                | Kind::File {
                    included_from: Some(_),
                } => continue,
                Kind::File { .. } => true,
                Kind::Environment | Kind::CommandLine => false,
            };
            leaves("", tree, &mut |path, value| {
                let is_compared =
                    !is_of_the_whole(path) && !says_what_holds(layered, layer, path, value);
                if is_compared {
                    settings.push(WrittenSetting {
                        path: path.to_owned(),
                        layer,
                        place: value.place,
                        value: value.clone(),
                        is_of_the_file,
                    });
                }
            });
        }
        settings
    }

    /// Where a stronger layer than that of the setting sets it as well, in words.
    pub(in crate::spec) fn set_above(&self, setting: &WrittenSetting) -> Option<String> {
        let layered = self.layered.as_ref()?;
        let place = layered.place_above(setting.layer, &setting.path)?;
        Some(self.sources.describe(place))
    }

    /// The points with other values of a setting, one after another.
    pub(in crate::spec) fn comparisons(
        &self,
        setting: &WrittenSetting,
    ) -> impl Iterator<Item = Comparison> {
        // What the command line switches off is no mistake of the file.
        let own = self.own_points.iter().filter(|_| setting.is_of_the_file);
        let others = alternatives(&setting.path, &setting.value);
        self.points.iter().chain(own).filter_map(move |point| {
            let is = resolve::settings(point).ok()?;
            let with = |other: &Node| {
                resolve::settings(&point.replacing(setting.layer, &setting.path, other)).ok()
            };
            Some(Comparison {
                is_inert: inert::is_inert(&setting.path, &is),
                is,
                others: others.iter().map(with).collect(),
            })
        })
    }
}

/// Whether a path belongs to the whole experiment, or says where and how to run.
fn is_of_the_whole(path: &str) -> bool {
    let section = path.split('.').next().unwrap_or_default();
    matches!(
        section,
        "include" | "name" | "description" | "grid" | "table" | "run" | "report"
    )
}

/// Whether the weaker layers have the same value: saying so again is no mistake.
fn says_what_holds(layered: &Layered, layer: usize, path: &str, value: &Node) -> bool {
    let shared = path
        .strip_prefix("train.")
        .and_then(|rest| rest.split_once('.'))
        .map(|(_, rest)| format!("train.{rest}"));
    let below = layered
        .json_below(layer, path)
        .or_else(|| layered.json_below(layer, &shared?));
    below.is_some_and(|below| below == value.to_json())
}

/// Calls `found` with every leaf of a tree and its path.
fn leaves(path: &str, node: &Node, found: &mut dyn FnMut(&str, &Node)) {
    let entries = match &node.data {
        Data::Table(entries) if schema::find(path).is_none() => entries,
        _ => return found(path, node),
    };
    for entry in entries {
        let path = join(path, &entry.key);
        leaves(&path, &entry.node, found);
    }
}
