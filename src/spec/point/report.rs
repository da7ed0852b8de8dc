//! The mistakes of one point of the grid, and where its settings come from.

use std::{collections::BTreeSet, path::Path};

use crate::spec::{
    code::Code,
    problem::Problem,
    read::{
        layered::{Layered, Setting},
        source::{Place, Sources},
        surroundings::Surroundings,
    },
};

/// One point, and the mistakes so far.
pub(in crate::spec) struct PointReport<'a> {
    pub(in crate::spec) layered: &'a Layered,
    pub(in crate::spec) sources: &'a Sources,
    pub(in crate::spec) around: &'a Surroundings,
    /// Where to point if a setting has no place.
    pub(in crate::spec) top: Place,
    /// Paths of keys whose value was rejected; see `Report::rejected`.
    pub(in crate::spec) rejected: &'a BTreeSet<String>,
    pub(in crate::spec) problems: &'a mut Vec<Problem>,
}

impl<'a> PointReport<'a> {
    /// Adds the mistake of a setting that contradicts others.
    pub(super) fn contradiction(&mut self, path: &str, title: String, label: &str) {
        let place = self.place(path);
        self.add(Problem::new(Code::E112, place, title, label));
    }

    /// Adds a contradiction of two settings, each with the text next to its caret. The main caret is
    /// at the setting of the later layer, because that is the one that a user is editing.
    pub(super) fn contradict(
        &mut self,
        title: String,
        one: (Option<Setting<'_>>, &str),
        other: (Option<Setting<'_>>, &str),
        help: &str,
    ) {
        if self.is_guess(one.0) || self.is_guess(other.0) {
            return;
        }
        let layer = |side: (Option<Setting<'_>>, &str)| side.0.map(|setting| setting.layer);
        let place = |side: (Option<Setting<'_>>, &str)| side.0.map_or(self.top, Setting::place);
        let (first, second) = if layer(other) > layer(one) {
            (other, one)
        } else {
            (one, other)
        };
        let problem = Problem::new(Code::E112, place(first), title, first.1);
        let problem = problem.also(place(second), second.1).help(help);
        self.add(problem);
    }

    /// Whether a setting may be in the place of one that was rejected: what follows from it would be a second
    /// mistake that nobody has made.
    fn is_guess(&self, setting: Option<Setting<'_>>) -> bool {
        let name = setting.map(|setting| setting.entry.key.as_str());
        let mut rejected = self.rejected.iter();
        rejected.any(|path| path.rsplit('.').next() == name)
    }

    /// The setting of a training: from its own table, or from `[train]`.
    pub(super) fn trained(&self, algorithm: &str, path: &str) -> Option<Setting<'a>> {
        let layered: &'a Layered = self.layered;
        let own = layered.get(&format!("train.{algorithm}.{path}"));
        let shared = layered.get(&format!("train.{path}"));
        shared
            .into_iter()
            .chain(own)
            .max_by_key(|setting| setting.layer)
    }

    /// The place of a setting.
    pub(super) fn place(&self, path: &str) -> Place {
        self.layered.get(path).map_or(self.top, Setting::place)
    }

    /// The folder of the file that sets a path; nothing for the environment and the command line.
    pub(super) fn folder(&self, path: &str) -> Option<&'a Path> {
        let sources: &'a Sources = self.sources;
        let source = sources.get(self.place(path).source);
        let file = source.is_file().then(|| Path::new(&source.name));
        file.and_then(Path::parent)
    }

    /// Adds a problem once: many points share their settings.
    pub(super) fn add(&mut self, problem: Problem) {
        let is_known =
            |known: &Problem| known.place == problem.place && known.title == problem.title;
        if !self.problems.iter().any(is_known) {
            self.problems.push(problem);
        }
    }
}
