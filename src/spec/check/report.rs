//! What the checks of the layers have found.

use std::collections::BTreeSet;

use super::{correction::Site, value};
use crate::{
    settings::Kind,
    spec::{
        problem::Problem,
        read::{node::Node, source::Sources},
    },
};

/// The mistakes so far. What a check rejects is removed from its layer, so that each mistake is
/// reported once.
pub(in crate::spec) struct Report<'a> {
    pub(in crate::spec) sources: &'a Sources,
    pub(in crate::spec) problems: &'a mut Vec<Problem>,
    /// Paths of keys that somebody tried to set, in the spelling that they probably meant.
    pub(in crate::spec) meant: &'a mut BTreeSet<String>,
    /// Paths of keys whose value was rejected, so that the default in its place is not what was meant.
    pub(in crate::spec) rejected: &'a mut BTreeSet<String>,
}

impl Report<'_> {
    pub(in crate::spec) fn add(&mut self, problem: Problem) {
        self.problems.push(problem);
    }

    /// Checks a value, and brings it into the form that the structs have. Returns whether it can be
    /// used.
    pub(in crate::spec) fn accepts(&mut self, path: &str, kind: Kind, node: &mut Node) -> bool {
        let site = Site {
            path,
            sources: self.sources,
        };
        match value::check(site, kind, node.clone()) {
            Ok(value) => *node = value,
            Err(problems) => {
                self.problems.extend(problems);
                self.rejected.insert(path.to_owned());
                return false;
            }
        }
        if !matches!(kind, Kind::Words) {
            self.no_item_twice(path, node);
        }
        true
    }

    /// Removes repeated items from a list.
    pub(in crate::spec) fn no_item_twice(&mut self, path: &str, node: &mut Node) {
        self.problems.extend(value::remove_repeats(path, node));
    }
}
