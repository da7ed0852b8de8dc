//! Layers on top of each other, and which of them set a value.
//!
//! The project prescribes figment for layering, so figment merges the layers. It does not know the
//! places of values in a text: those come from the layers' own trees. The layer that set a value is
//! the last one that has it.

use std::sync::Arc;

use figment::{
    Error, Figment, Metadata, Profile, Provider,
    value::{Dict, Map, Value},
};
use serde_json::Value as Json;

use super::{
    node::{Data, Entry, Node},
    source::Place,
};
use crate::spec::schema;

/// Settings from several layers; later ones win, tables are merged, lists are replaced.
#[derive(Clone, Debug)]
pub(in crate::spec) struct Layered {
    figment: Figment,
    merged: Value,
    trees: Vec<Arc<Node>>,
}

/// A setting of some layer.
#[derive(Clone, Copy, Debug)]
pub(in crate::spec) struct Setting<'a> {
    /// The number of the layer, from the weakest.
    pub(in crate::spec) layer: usize,
    pub(in crate::spec) entry: &'a Entry,
}

impl Setting<'_> {
    /// The place of the value.
    pub(in crate::spec) fn place(self) -> Place {
        self.entry.node.place
    }
}

/// One layer, as figment wants it.
struct Layer<'a>(&'a Node);

impl Provider for Layer<'_> {
    fn metadata(&self) -> Metadata {
        Metadata::named("a layer of a spec")
    }

    fn data(&self) -> Result<Map<Profile, Dict>, Error> {
        let dict = Value::serialize(self.0.to_json())?
            .into_dict()
            .unwrap_or_default();
        Ok(Map::from([(Profile::Default, dict)]))
    }
}

impl Layered {
    /// Puts layers on top of each other, the weakest first.
    pub(in crate::spec) fn new(trees: impl IntoIterator<Item = Node>) -> Self {
        let mut trees: Vec<Node> = trees.into_iter().collect();
        replace_unions(&mut trees);
        Self::merged(trees)
    }

    fn merged(trees: impl IntoIterator<Item = Node>) -> Self {
        let bottom = Self {
            figment: Figment::new(),
            merged: Value::from(Dict::new()),
            trees: Vec::new(),
        };
        trees
            .into_iter()
            .fold(bottom, |below, tree| below.with_merged(tree))
    }

    /// The same with one more layer on top.
    pub(in crate::spec) fn with(&self, tree: Node) -> Self {
        if unions_of(&tree).next().is_some() {
            let trees = self.trees.iter().map(|tree| tree.as_ref().clone());
            return Self::new(trees.chain([tree]));
        }
        self.with_merged(tree)
    }

    fn with_merged(&self, tree: Node) -> Self {
        let figment = self.figment.clone().merge(Layer(&tree));
        let merged = figment
            .find_value("")
            .unwrap_or_else(|_| Value::from(Dict::new()));
        let mut trees = self.trees.clone();
        trees.push(Arc::new(tree));
        Self {
            figment,
            merged,
            trees,
        }
    }

    /// The same with another value at a path that a layer sets.
    pub(in crate::spec) fn replacing(&self, layer: usize, path: &str, value: &Node) -> Self {
        let segments: Vec<&str> = path.split('.').collect();
        let trees = self.trees.iter().enumerate().map(|(number, tree)| {
            let mut tree = tree.as_ref().clone();
            if number == layer {
                tree.insert(&segments, value.place, value.clone());
            }
            tree
        });
        Self::merged(trees)
    }

    /// The value at a path from the layers below one of them.
    pub(in crate::spec) fn json_below(&self, layer: usize, path: &str) -> Option<Json> {
        let mut trees = self.trees.iter().take(layer).rev();
        trees.find_map(|tree| Some(at_path(tree, path)?.to_json()))
    }

    /// The place where a layer above one of them sets a path, in the strongest of these.
    pub(in crate::spec) fn place_above(&self, layer: usize, path: &str) -> Option<Place> {
        let mut trees = self.trees.iter().skip(layer + 1).rev();
        trees.find_map(|tree| Some(at_path(tree, path)?.place))
    }

    /// The layers, the weakest first.
    pub(in crate::spec) fn trees(&self) -> impl Iterator<Item = &Node> {
        self.trees.iter().map(AsRef::as_ref)
    }

    /// The value at a path of keys, from whichever layer.
    pub(in crate::spec) fn json(&self, path: &str) -> Option<Json> {
        self.merged.find_ref(path)?.deserialize().ok()
    }

    /// The setting at a path, with its place. Only a leaf has one: a table may come from many
    /// layers.
    pub(in crate::spec) fn get(&self, path: &str) -> Option<Setting<'_>> {
        let segments: Vec<&str> = path.split('.').collect();
        self.at(&segments)
    }

    /// The settings directly in a table, whose keys may have dots in them.
    pub(in crate::spec) fn entries(&self, table: &str) -> Vec<Setting<'_>> {
        let Some(dict) = self.merged.find_ref(table).and_then(Value::as_dict) else {
            return Vec::new();
        };
        let at = |key: &String| {
            let mut segments: Vec<&str> = table.split('.').collect();
            segments.push(key);
            self.at(&segments)
        };
        let mut entries: Vec<Setting<'_>> = dict.keys().filter_map(at).collect();
        entries.sort_by_key(|setting| setting.entry.place);
        entries
    }

    /// Every leaf with its path, in alphabetical order.
    pub(in crate::spec) fn leaves(&self) -> Vec<(String, Setting<'_>)> {
        let paths = self.leaf_paths().into_iter();
        let with_setting = paths.filter_map(|path| Some((path.join("."), self.at(&path)?)));
        with_setting.collect()
    }

    /// Every leaf with its keys and with all layers that set it, the strongest first; in alphabetical order.
    pub(in crate::spec) fn histories(&self) -> Vec<(Vec<&str>, Vec<Setting<'_>>)> {
        let paths = self.leaf_paths().into_iter();
        let with_layers = paths.map(|path| {
            let settings = self.all_at(&path).collect();
            (path, settings)
        });
        with_layers.collect()
    }

    fn leaf_paths(&self) -> Vec<Vec<&str>> {
        let mut found = Vec::new();
        let mut open = vec![(Vec::new(), &self.merged)];
        while let Some((segments, value)) = open.pop() {
            match value {
                Value::Dict(_, dict) => {
                    for (key, value) in dict {
                        let mut below: Vec<&str> = segments.clone();
                        below.push(key);
                        open.push((below, value));
                    }
                }
                _ => found.push(segments),
            }
        }
        found.sort_by_cached_key(|path| path.join("."));
        found
    }

    fn at(&self, segments: &[&str]) -> Option<Setting<'_>> {
        let mut value = &self.merged;
        for segment in segments {
            value = value.as_dict()?.get(*segment)?;
        }
        self.all_at(segments).next()
    }

    /// The layers that set a path, the strongest first.
    fn all_at<'a>(&'a self, segments: &[&str]) -> impl Iterator<Item = Setting<'a>> {
        let layers = self.trees.iter().enumerate().rev();
        layers.filter_map(move |(layer, tree)| {
            let (last, tables) = segments.split_last()?;
            let table = tables
                .iter()
                .try_fold(tree.as_ref(), |node, key| node.get(key))?;
            let entry = table.entry(last)?;
            Some(Setting { layer, entry })
        })
    }
}

/// Removes from each layer what a later one replaces as a whole: tables that are one value, and the axes of
/// the grid that a later layer has in a [[grid.zip]].
fn replace_unions(trees: &mut [Node]) {
    for later in 1..trees.len() {
        let (earlier, rest) = trees.split_at_mut(later);
        let Some(tree) = rest.first() else { return };
        for path in unions_of(tree) {
            for tree in earlier.iter_mut() {
                remove(tree, path);
            }
        }
        let zips = tree.get("grid").and_then(|grid| grid.get("zip"));
        let zipped = zips
            .into_iter()
            .flat_map(Node::items)
            .flat_map(Node::entries);
        for axis in zipped {
            let grids = earlier.iter_mut().filter_map(|tree| tree.get_mut("grid"));
            grids.for_each(|grid| grid.remove(&axis.key));
        }
    }
}

/// The settings of a layer whose entries are one value, such as a baseline or the weights of a reward: merged
/// with those of another layer, they would be a value that nobody has written.
fn unions_of(tree: &Node) -> impl Iterator<Item = &'static str> {
    let unions = schema::unions();
    unions.filter(|path| {
        matches!(
            at_path(tree, path),
            Some(Node {
                data: Data::Table(_),
                ..
            })
        )
    })
}

fn at_path<'a>(tree: &'a Node, path: &str) -> Option<&'a Node> {
    path.split('.').try_fold(tree, |node, key| node.get(key))
}

/// Removes a table at a path; a value of another type is replaced anyway.
fn remove(tree: &mut Node, path: &str) {
    let is_table = matches!(
        at_path(tree, path),
        Some(Node {
            data: Data::Table(_),
            ..
        })
    );
    let (tables, last) = path.rsplit_once('.').unwrap_or(("", path));
    let table = tables
        .split('.')
        .try_fold(tree, |node, key| node.get_mut(key));
    if is_table && let Some(table) = table {
        table.remove(last);
    }
}

/// A layer that sets some paths, as the points of a grid do.
pub(in crate::spec) fn layer_of<'a>(
    assignments: impl IntoIterator<Item = &'a Entry>,
    place: Place,
) -> Node {
    let mut tree = Node {
        data: Data::Table(Vec::new()),
        place,
    };
    for assignment in assignments {
        let segments: Vec<&str> = assignment.key.split('.').collect();
        tree.insert(&segments, assignment.place, assignment.node.clone());
    }
    tree
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(source: usize, text: &str) -> Node {
        Node::parse(source, text).unwrap()
    }

    #[test]
    fn later_layers_win_and_every_value_knows_its_layer() {
        let layered = Layered::new([
            tree(
                0,
                "[train]\nmax_steps = 1\nlr.peak = 0.1\n[run]\nseeds = [1, 2]",
            ),
            tree(1, "train.max_steps = 2\nrun.seeds = [3]"),
        ]);

        let steps = layered.get("train.max_steps").unwrap();
        assert_eq!((steps.layer, &steps.entry.node.data), (1, &Data::Whole(2)));
        assert_eq!(layered.get("train.lr.peak").unwrap().layer, 0);
        assert_eq!(layered.json("run.seeds"), Some(serde_json::json!([3])));
        assert_eq!(
            layered.json("train"),
            Some(serde_json::json!({"max_steps": 2, "lr": {"peak": 0.1}}))
        );
        let paths: Vec<String> = layered.leaves().into_iter().map(|(path, _)| path).collect();
        assert_eq!(paths, ["run.seeds", "train.lr.peak", "train.max_steps"]);
    }

    #[test]
    fn a_table_that_is_one_value_is_replaced_and_others_are_merged() {
        let layered = Layered::new([
            tree(
                0,
                "table.baseline = { \"train.reward\" = \"es\" }\ntrain.lr.peak = 0.1\n\
                     [grid]\n\"a.b\" = [1]\n\"a.c\" = [1]",
            ),
            tree(
                1,
                "table.baseline.method = \"untrained\"\ntrain.lr.floor = 0.2\n\
                     [[grid.zip]]\n\"a.b\" = [1, 2]\n\"a.d\" = [1, 2]",
            ),
        ]);

        let json = |path| layered.json(path).unwrap();
        assert_eq!(
            json("table.baseline"),
            serde_json::json!({"method": "untrained"})
        );
        assert_eq!(
            json("train.lr"),
            serde_json::json!({"peak": 0.1, "floor": 0.2})
        );
        let axes: Vec<&str> = layered
            .entries("grid")
            .iter()
            .map(|setting| setting.entry.key.as_str())
            .collect();
        assert_eq!(axes, ["a.c", "zip"]);
        let below = layered.json_below(1, "train.lr.peak");
        assert_eq!(below, Some(serde_json::json!(0.1)));
        assert_eq!(layered.json_below(1, "train.lr.floor"), None);
    }

    #[test]
    fn the_weights_of_a_reward_are_one_value() {
        let base = [
            tree(0, "train.reward = { em = 1.0 }"),
            tree(1, "train.reward = { es_star = 2.0 }"),
        ];
        let layered = Layered::new(base);
        let weights = |layered: &Layered| layered.json("train.reward").unwrap();
        assert_eq!(weights(&layered), serde_json::json!({"es_star": 2.0}));
        // A point of the grid is one more layer.
        let point = layered.with(tree(2, "train.reward = { ast = 3.0 }"));
        assert_eq!(weights(&point), serde_json::json!({"ast": 3.0}));
        let named = layered.with(tree(2, "train.reward = \"em\""));
        assert_eq!(weights(&named), serde_json::json!("em"));
    }

    #[test]
    fn another_value_of_a_layer_shows_only_where_no_later_layer_sets_it() {
        let layered = Layered::new([tree(0, "a = 1\nb = 1"), tree(1, "b = 2")]);
        let value = Node::parse_value(0, "7", 0);

        assert_eq!(layered.replacing(0, "a", &value).json("a"), Some(7.into()));
        assert_eq!(layered.replacing(0, "b", &value).json("b"), Some(2.into()));
    }

    #[test]
    fn entries_come_in_the_order_of_the_text_and_may_have_dots() {
        let layered = Layered::new([tree(0, "[grid]\n\"z.b\" = [1]\n\"a.b\" = [2]\n")]);

        let keys: Vec<&str> = layered
            .entries("grid")
            .iter()
            .map(|setting| setting.entry.key.as_str())
            .collect();
        assert_eq!(keys, ["z.b", "a.b"]);
    }
}
