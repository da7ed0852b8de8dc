//! The points of the grid: products, zips, exclusions, conditional values, extra points.

use rayon::prelude::*;
use serde_json::Value as Json;

use super::assignments::twice;
use crate::spec::{
    code::Code,
    problem::Problem,
    read::{
        layered::{Layered, layer_of},
        node::{Entry, Node},
        source::Place,
    },
};

/// More points than this are a mistake, such as a list of lists that was meant to be one list.
const MAX_POINTS: usize = 10_000;

/// The section `[grid]` after layering.
#[derive(Debug)]
pub(in crate::spec) struct Grid {
    /// Axes that move together; the groups are crossed.
    groups: Vec<Vec<Entry>>,
    excludes: Vec<Node>,
    whens: Vec<Node>,
    adds: Vec<Node>,
    place: Place,
}

/// One point: the settings that it changes, on top of all layers.
#[derive(Debug)]
pub(in crate::spec) struct Candidate {
    pub(in crate::spec) layered: Layered,
    /// The place of the point: the value of an axis, or a `[[grid.add]]`.
    pub(in crate::spec) place: Place,
}

impl Grid {
    /// Reads the grid from the layers. `top` is the place of a missing grid.
    pub(in crate::spec) fn read(
        layered: &Layered,
        top: Place,
        problems: &mut Vec<Problem>,
    ) -> Self {
        let mut grid = Self {
            groups: Vec::new(),
            excludes: Vec::new(),
            whens: Vec::new(),
            adds: Vec::new(),
            place: top,
        };
        for setting in layered.entries("grid") {
            let entry = setting.entry;
            grid.place = entry.place;
            let tables = entry.node.items().to_vec();
            match entry.key.as_str() {
                "zip" => grid
                    .groups
                    .extend(tables.iter().map(|table| table.entries().to_vec())),
                "exclude" => grid.excludes = tables,
                "when" => grid.whens = tables,
                "add" => grid.adds = tables,
                _ => grid.groups.push(vec![entry.clone()]),
            }
        }
        // The order of the text is the order of the table's rows.
        grid.groups
            .sort_by_key(|group| group.first().map(|axis| axis.place));
        grid.no_axis_in_two_groups(problems);
        grid
    }

    fn no_axis_in_two_groups(&mut self, problems: &mut Vec<Problem>) {
        let mut seen: Vec<Entry> = Vec::new();
        for group in &mut self.groups {
            group.retain(|axis| {
                let first = seen.iter().find(|other| other.key == axis.key);
                problems.extend(first.map(|first| twice(first, axis)));
                let is_new = first.is_none();
                if is_new {
                    seen.push(axis.clone());
                }
                is_new
            });
        }
        self.groups.retain(|group| !group.is_empty());
    }

    /// The axes that are crossed or zipped, in the order of the text.
    pub(in crate::spec) fn axes(&self) -> Vec<&Entry> {
        self.groups.iter().flatten().collect()
    }

    /// What the extra points set.
    pub(in crate::spec) fn added(&self) -> impl Iterator<Item = &Entry> {
        self.adds.iter().flat_map(Node::entries)
    }

    /// The paths in which points differ: the axes, then what only extra points set.
    pub(in crate::spec) fn paths(&self) -> Vec<String> {
        let mut paths: Vec<String> = self
            .axes()
            .into_iter()
            .map(|axis| axis.key.clone())
            .collect();
        for entry in self.adds.iter().flat_map(Node::entries) {
            if !paths.contains(&entry.key) {
                paths.push(entry.key.clone());
            }
        }
        paths
    }

    /// All points, in the order of the text, the last axis fastest.
    pub(in crate::spec) fn points(
        &self,
        base: &Layered,
        problems: &mut Vec<Problem>,
    ) -> Vec<Candidate> {
        let lengths = self.groups.iter().map(|group| group[0].node.items().len());
        let count = lengths.fold(1usize, usize::saturating_mul);
        if count > MAX_POINTS {
            let title = format!("the grid has {count} points, the most are {MAX_POINTS}");
            let label = "all axes are crossed";
            let problem = Problem::new(Code::E126, self.place, title, label);
            problems.push(problem.help("put axes that move together into a [[grid.zip]]"));
            return Vec::new();
        }
        let mut used = vec![false; self.excludes.len()];
        // Layering takes longer than all the rest of a point.
        let points: Vec<Candidate> = (0..count)
            .into_par_iter()
            .map(|number| self.product(base, number))
            .collect();
        let mut points: Vec<Candidate> = points
            .into_iter()
            .filter(|point| {
                let mut stays = true;
                for (exclude, used) in self.excludes.iter().zip(&mut used) {
                    let hits = matches(exclude, &point.layered);
                    *used |= hits;
                    stays &= !hits;
                }
                stays
            })
            .collect();
        for (exclude, used) in self.excludes.iter().zip(used) {
            if !used {
                problems.push(self.unused("exclude", exclude, base));
            }
        }
        if points.is_empty() {
            let title = "the grid has no points left";
            let label = "its excludes match all of them";
            let problem = Problem::new(Code::E126, self.place, title, label);
            problems.push(problem.help("remove an exclude, or add values to the axes"));
        }
        let only_adds = self.groups.is_empty() && !self.adds.is_empty();
        if only_adds {
            points.clear();
        }
        points.extend(self.adds.iter().map(|add| Candidate {
            layered: base.with(layer_of(add.entries(), add.place)),
            place: add.place,
        }));
        self.apply_whens(points, base, problems)
    }

    fn product(&self, base: &Layered, number: usize) -> Candidate {
        let mut rest = number;
        let mut place = self.place;
        let mut assignments = Vec::new();
        for group in self.groups.iter().rev() {
            let count = group[0].node.items().len();
            let choice = rest % count;
            rest /= count;
            for axis in group {
                let node = axis.node.items()[choice].clone();
                place = place_of_choice(place, node.place, assignments.is_empty());
                assignments.push(Entry {
                    key: axis.key.clone(),
                    place: axis.place,
                    node,
                });
            }
        }
        Candidate {
            layered: base.with(layer_of(&assignments, place)),
            place,
        }
    }

    fn apply_whens(
        &self,
        points: Vec<Candidate>,
        base: &Layered,
        problems: &mut Vec<Problem>,
    ) -> Vec<Candidate> {
        let mut used = vec![false; self.whens.len()];
        let points = points.into_iter().map(|point| {
            // Conditions apply to the point before any change, so that their order does not matter.
            let hits: Vec<&Node> = self
                .whens
                .iter()
                .zip(&mut used)
                .filter_map(|(when, used)| {
                    let hits = matches(when.get("if")?, &point.layered);
                    *used |= hits;
                    hits.then_some(when)
                })
                .collect();
            let changed = |layered: Layered, when: &Node| match when.get("set") {
                Some(set) => layered.with(layer_of(set.entries(), set.place)),
                None => layered,
            };
            let layered = hits.into_iter().fold(point.layered, changed);
            Candidate {
                layered,
                place: point.place,
            }
        });
        let points: Vec<Candidate> = points.collect();
        for (when, used) in self.whens.iter().zip(used) {
            if !used {
                problems.push(self.unused("when", when.get("if").unwrap_or(when), base));
            }
        }
        points
    }

    fn unused(&self, table: &str, condition: &Node, base: &Layered) -> Problem {
        let title = format!("a [[grid.{table}]] matches no point of the grid");
        let values = |entry: &Entry| -> Vec<Json> {
            let axis = self.axes().into_iter().find(|axis| axis.key == entry.key);
            match axis {
                Some(axis) => axis.node.items().iter().map(Node::to_json).collect(),
                None => base.json(&entry.key).into_iter().collect(),
            }
        };
        let wrong = condition.entries().iter().find(|entry| {
            let wanted = entry.node.to_json();
            !values(entry).iter().any(|value| fits(&wanted, value))
        });
        let help = "it changes nothing: correct it, or remove it";
        let Some(entry) = wrong else {
            let label = "no point has all of these values";
            return Problem::new(Code::E123, condition.place, title, label).help(help);
        };
        let there: Vec<String> = values(entry).iter().map(Json::to_string).collect();
        let label = format!("`{}` is only ever {}", entry.key, there.join(", "));
        Problem::new(Code::E123, entry.node.place, title, label).help(help)
    }
}

/// The place of a point: that of its fastest axis's value.
fn place_of_choice(before: Place, choice: Place, is_first: bool) -> Place {
    if is_first { choice } else { before }
}

/// Whether a point has all values of a table of conditions.
fn matches(condition: &Node, point: &Layered) -> bool {
    condition.entries().iter().all(|entry| {
        point
            .json(&entry.key)
            .is_some_and(|value| fits(&entry.node.to_json(), &value))
    })
}

/// Whether a value is the wanted one, or one of those in a list.
fn fits(wanted: &Json, value: &Json) -> bool {
    wanted == value
        || (!value.is_array() && wanted.as_array().is_some_and(|any| any.contains(value)))
}
