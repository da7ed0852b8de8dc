//! The file of a site, such as the cluster of a lab: how jobs run there, for all specs.

use std::path::Path;

use super::{
    layers::{Layers, Unreadable, read},
    node::{Data, Node},
    source::{Kind, Place, Source},
};
use crate::spec::{code::Code, problem::Problem, variables};

impl Layers {
    /// Reads the file of the site, which is weaker than every spec.
    pub(super) fn site(&mut self, environment: &[(String, String)]) {
        let is_site =
            |(name, path): &&(String, String)| name == variables::SITE && !path.is_empty();
        let Some((name, value)) = environment.iter().find(is_site) else {
            return;
        };
        let text = format!("{name}={value}");
        let end = text.len();
        let source = self.sources.add(Source {
            name: format!("environment: {name}"),
            text,
            kind: Kind::Environment,
        });
        let place = Place {
            source,
            start: name.len() + 1,
            end,
        };
        let path = Path::new(value);
        match read(path) {
            Ok(text) => {
                let source = self.sources.add(Source {
                    name: value.clone(),
                    text: String::new(),
                    kind: Kind::File {
                        included_from: Some(place),
                    },
                });
                let before = self.trees.len();
                self.file(source, path, text);
                let trees = self.trees.iter().skip(before);
                let problems: Vec<Problem> = trees.flat_map(more_than_runs).collect();
                self.problems.extend(problems);
            }
            Err(error) => {
                let (Unreadable::Nothing(reason) | Unreadable::Fault { reason, .. }) = error;
                let title = format!("the file of the site `{value}` cannot be read");
                let problem = Problem::new(Code::E109, place, title, reason);
                self.problems
                    .push(problem.help(format!("correct or unset {name}")));
            }
        }
    }
}

/// The settings of a site that say more than how jobs run: the same spec would have other results elsewhere.
fn more_than_runs(tree: &Node) -> Vec<Problem> {
    let mut problems = Vec::new();
    let table = |node: &Node| match &node.data {
        Data::Table(entries) => entries.clone(),
        _ => Vec::new(),
    };
    let mut refuse = |path: &str, place: Place| {
        let title = format!("the file of a site cannot set `{path}`");
        let label = "changes what jobs compute, or what they are";
        let problem = Problem::new(Code::E118, place, title, label);
        problems.push(problem.help("set it in the spec; a site sets keys of [run] only"));
    };
    for entry in table(tree) {
        match entry.key.as_str() {
            "include" => {}
            "run" => {
                let run = table(&entry.node);
                let is_of_spec = |key: &str| matches!(key, "seeds" | "backend");
                for entry in run.iter().filter(|entry| is_of_spec(&entry.key)) {
                    refuse(&format!("run.{}", entry.key), entry.place);
                }
            }
            key => refuse(key, entry.place),
        }
    }
    problems
}
