//! No circle among the files of one module.
//!
//! A file depends on the file that defines the name that it imports: a re-export of a `mod.rs` is
//! followed to its origin. What a `mod.rs` uses from its own folder does not count, because it
//! declares and re-exports those files anyway; what they use of it does.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    paths::{UsedPath, imports, inline_paths},
    source::{SourceFile, production_files},
};

#[test]
fn no_files_of_a_module_import_each_other_in_a_circle() {
    let circles: Vec<String> = Graph::of(&production_files())
        .circles()
        .iter()
        .map(|circle| circle.join(" "))
        .collect();
    assert!(
        circles.is_empty(),
        "these files depend on one another; move what they share:\n{}",
        circles.join("\n")
    );
}

/// The modules of the program and which file each is.
struct Modules<'a> {
    files: BTreeMap<&'a [String], &'a SourceFile>,
    imports: BTreeMap<&'a str, Vec<UsedPath>>,
}

impl<'a> Modules<'a> {
    fn of(files: &'a [SourceFile]) -> Self {
        Self {
            files: files.iter().map(|file| (&file.module[..], file)).collect(),
            imports: files
                .iter()
                .map(|file| (file.path.as_str(), imports(&file.code)))
                .collect(),
        }
    }

    /// The file that defines what `path` names, as written in the module `from`; none if it is not
    /// of this program.
    fn resolve(&self, from: &[String], path: &[String]) -> Option<&'a SourceFile> {
        self.resolve_within(from, path, 8)
    }

    fn resolve_within(
        &self,
        from: &[String],
        path: &[String],
        steps: usize,
    ) -> Option<&'a SourceFile> {
        let (mut module, mut rest) = match path[0].as_str() {
            "crate" => (Vec::new(), &path[1..]),
            "self" => (from.to_vec(), &path[1..]),
            "super" => (from[..from.len() - 1].to_vec(), &path[1..]),
            _ => (from.to_vec(), path),
        };
        while let [name, after @ ..] = rest {
            if name == "super" {
                module.pop();
                rest = after;
                continue;
            }
            let mut child = module.clone();
            child.push(name.clone());
            if !self.files.contains_key(&child[..]) {
                break;
            }
            (module, rest) = (child, after);
        }
        let file = *self.files.get(&module[..])?;
        let Some(name) = rest.first() else {
            return Some(file);
        };
        let reexport = self.imports[file.path.as_str()]
            .iter()
            .find(|used| used.alias == *name && used.names != [name.clone()]);
        match reexport {
            Some(used) if steps > 0 => {
                let path = [&used.names[..], &rest[1..]].concat();
                Some(
                    self.resolve_within(&module, &path, steps - 1)
                        .unwrap_or(file),
                )
            }
            _ if module == from && !matches!(path[0].as_str(), "crate" | "self" | "super") => None,
            _ => Some(file),
        }
    }
}

/// Which file depends on which, within their top-level module.
struct Graph {
    edges: BTreeMap<String, BTreeSet<String>>,
}

impl Graph {
    fn of(files: &[SourceFile]) -> Self {
        let modules = Modules::of(files);
        let edges = files
            .iter()
            .map(|file| {
                let imports = &modules.imports[file.path.as_str()];
                let locals: Vec<String> = imports.iter().map(|used| used.alias.clone()).collect();
                let inline = inline_paths(&file.code, &locals);
                let targets = imports
                    .iter()
                    .chain(&inline)
                    .filter_map(|used| modules.resolve(&file.module, &used.names))
                    .filter(|target| target.top() == file.top() && target.path != file.path)
                    .filter(|target| !file.is_mod() || !target.module.starts_with(&file.module))
                    .map(|target| target.path.clone())
                    .collect();
                (file.path.clone(), targets)
            })
            .collect();
        Self { edges }
    }

    /// Every file that `start` depends on, by any way.
    fn reached_from(&self, start: &str) -> BTreeSet<&str> {
        let mut reached = BTreeSet::new();
        let mut next: Vec<&str> = self.targets(start).collect();
        while let Some(path) = next.pop() {
            if reached.insert(path) {
                next.extend(self.targets(path));
            }
        }
        reached
    }

    fn targets(&self, path: &str) -> impl Iterator<Item = &str> {
        self.edges
            .get(path)
            .into_iter()
            .flatten()
            .map(String::as_str)
    }

    /// The sets of files that depend on one another, each sorted.
    fn circles(&self) -> Vec<Vec<String>> {
        let reached: BTreeMap<&str, BTreeSet<&str>> = self
            .edges
            .keys()
            .map(|path| (path.as_str(), self.reached_from(path)))
            .collect();
        let circles = reached
            .iter()
            .filter(|(path, reaches)| reaches.contains(*path))
            .map(|(path, reaches)| {
                let back = reaches
                    .iter()
                    .filter(|other| reached[*other].contains(path));
                back.map(|&path| path.to_owned()).collect()
            });
        let circles: BTreeSet<Vec<String>> = circles.collect();
        circles.into_iter().collect()
    }
}

#[test]
fn a_circle_through_a_reexport_is_found_and_a_mod_file_may_use_its_folder() {
    // Oracle: drawn by hand. `a` and `b` import each other, `b` by way of the re-export.
    let file = |path: &str, code: &str| SourceFile {
        path: path.to_owned(),
        module: path
            .trim_end_matches(".rs")
            .trim_end_matches("/mod")
            .split('/')
            .map(str::to_owned)
            .collect(),
        text: String::new(),
        code: code.to_owned(),
    };
    let files = [
        file(
            "m/mod.rs",
            "mod a; mod b; mod c; pub use a::A; use c::C; struct M;",
        ),
        file("m/a.rs", "use super::b; fn f() { b::g() }"),
        file("m/b.rs", "use super::A;"),
        file("m/c.rs", "use crate::m::M;"),
    ];

    assert_eq!(Graph::of(&files).circles(), [["m/a.rs", "m/b.rs"]]);
}
