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
    /// Finds the project that contains the current folder, or else the spec.
    pub fn find(spec: &Path) -> Result<Self, DataError> {
        let current = std::env::current_dir().unwrap_or_default();
        let around = fs::canonicalize(spec).unwrap_or_else(|_| current.join(spec));
        let has_data = |folder: &&Path| folder.join("datasets").is_dir();
        let root = current
            .ancestors()
            .find(has_data)
            .or_else(|| around.ancestors().find(has_data));
        Self::at(root.unwrap_or(&current))
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
