//! The project of a spec: its folder, and the names of its data sets.

use std::{
    fs,
    path::{Path, PathBuf},
};

use crate::data::{DataError, Kind, Manifest};

/// The project that a spec is read in.
#[derive(Clone, Debug)]
pub struct Surroundings {
    /// The folder with `datasets/` in it: paths in specs start here.
    pub root: PathBuf,
    /// The names of models and data sets; nothing if there is no manifest.
    pub manifest: Option<Manifest>,
    /// The tables of `datasets/reference/`; nothing if there is no such folder.
    pub references: Option<Vec<String>>,
}

impl Surroundings {
    /// Finds the project that contains the spec, or else the current folder.
    pub fn find(spec: &Path) -> Result<Self, DataError> {
        Self::at(&Self::root_of(spec))
    }

    /// The folder of the project that contains the spec, or else the current folder; the current folder, if
    /// there is no project.
    pub fn root_of(spec: &Path) -> PathBuf {
        let current = std::env::current_dir().unwrap_or_default();
        let around = fs::canonicalize(spec).unwrap_or_else(|_| current.join(spec));
        root(&around, &current).to_owned()
    }

    /// Whether there is a project: a folder with data.
    pub(in crate::spec) fn is_project(&self) -> bool {
        self.root.join("datasets").is_dir()
    }

    /// The project in a folder.
    pub fn at(root: &Path) -> Result<Self, DataError> {
        let path = root.join("datasets/manifest.toml");
        let manifest = if path.is_file() {
            Some(Manifest::load(&path)?)
        } else {
            None
        };
        let references = references(&root.join("datasets/reference"));
        Ok(Self {
            root: root.to_owned(),
            manifest,
            references,
        })
    }

    /// The names of one kind in the manifest; nothing if there is no manifest.
    pub(in crate::spec) fn names(&self, kind: Kind) -> Option<Vec<&str>> {
        Some(self.manifest.as_ref()?.names(kind).collect())
    }

    /// A path of a spec: from the project's folder, or from `folder` if it begins with
    /// `./` or `../`.
    pub(in crate::spec) fn path(&self, text: &str, folder: Option<&Path>) -> PathBuf {
        let is_relative = text.starts_with("./") || text.starts_with("../");
        match folder {
            Some(folder) if is_relative => folder.join(text),
            _ => self.root.join(text),
        }
    }
}

/// The folder of the project of a spec. A folder that happens to have a folder `datasets` is one only if no
/// other has a manifest in it.
fn root<'a>(spec: &'a Path, current: &'a Path) -> &'a Path {
    let has_manifest = |folder: &&Path| folder.join("datasets/manifest.toml").is_file();
    let has_data = |folder: &&Path| folder.join("datasets").is_dir();
    let ancestors = || {
        [spec.ancestors(), current.ancestors()]
            .into_iter()
            .flatten()
    };
    let root = ancestors().find(has_manifest);
    root.or_else(|| ancestors().find(has_data))
        .unwrap_or(current)
}

/// The names of the tables in all files of a folder, as `recode.table1`.
fn references(folder: &Path) -> Option<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(folder).ok()?.flatten() {
        let path = entry.path();
        let stem = path
            .file_stem()
            .and_then(|stem| stem.to_str())
            .map(str::to_owned);
        let table = fs::read_to_string(&path)
            .ok()
            .and_then(|text| text.parse::<toml::Table>().ok());
        if let (Some(stem), Some(table)) = (stem, table) {
            let tables = table.iter().filter(|(_, value)| value.is_table());
            names.extend(tables.map(|(key, _)| format!("{stem}.{key}")));
        }
    }
    names.sort();
    Some(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_project_is_that_of_the_spec_and_else_that_of_the_current_folder() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        for (name, manifest) in [("one", true), ("two", true), ("other", false)] {
            fs::create_dir_all(path(name).join("datasets")).unwrap();
            fs::create_dir_all(path(name).join("below")).unwrap();
            if manifest {
                fs::write(path(name).join("datasets/manifest.toml"), "").unwrap();
            }
        }
        let found = |spec: &str, current: &str| {
            let (spec, current) = (path(spec), path(current));
            let root = root(&spec, &current).to_owned();
            root.file_name().unwrap().to_str().unwrap().to_owned()
        };

        assert_eq!(found("one/below/x.toml", "two/below"), "one");
        assert_eq!(found("x.toml", "two/below"), "two");
        // The folder `other` has data of something else.
        assert_eq!(found("other/below/x.toml", "two"), "two");
        assert_eq!(found("other/below/x.toml", "nowhere"), "other");
        assert_eq!(found("nowhere/x.toml", "elsewhere"), "elsewhere");
    }
}
