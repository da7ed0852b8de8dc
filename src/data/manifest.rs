//! The manifest: every name that a spec may write for a model or a set of data.

use std::{
    collections::BTreeMap,
    fmt, fs,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::error::DataError;
use crate::digest::Digest;

/// The entries of `datasets/manifest.toml`.
#[derive(Clone, Debug)]
pub struct Manifest {
    entries: BTreeMap<String, Entry>,
}

/// A model or a set of data that has a name.
#[derive(Clone, Debug)]
pub struct Entry {
    name: String,
    kind: Kind,
    source: Source,
    facts: Facts,
}

/// What a name refers to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A folder in the Hugging Face layout, or a GGUF file.
    Model,
    /// A file of migrations to train on.
    Migrations,
    /// A file of tasks to measure with.
    Benchmark,
}

impl Kind {
    /// The word for people.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Model => "model",
            Self::Migrations => "migrations",
            Self::Benchmark => "benchmark",
        }
    }
}

/// Where the bytes of an entry come from.
#[derive(Clone, Debug)]
pub(super) enum Source {
    /// A file of this project.
    Shipped(PathBuf),
    /// Files to download.
    Remote(Remote),
}

/// Files of a repository somewhere else.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Remote {
    pub(super) host: Host,
    pub(super) repository: String,
    pub(super) revision: String,
    pub(super) files: Vec<String>,
    pub(super) optional: Vec<String>,
    pub(super) sha256: BTreeMap<String, String>,
    /// The archive that has the files, if they are not downloaded one by one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) archive: Option<String>,
}

/// A kind of place to download from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Host {
    /// A model of the Hugging Face hub.
    HubModel,
    /// A data set of the Hugging Face hub.
    HubDataset,
    /// A file of a GitHub repository.
    Github,
    /// A file attached to a release of a GitHub repository.
    GithubRelease,
    /// A wheel of the Python package index, which has the files.
    Pypi,
}

/// What people see before they download.
#[derive(Clone, Debug)]
struct Facts {
    description: String,
    licence: String,
    rows: Option<usize>,
    gigabytes: Option<f64>,
    made_by: Option<String>,
    shape: Option<Map<String, Value>>,
}

impl Manifest {
    /// Reads a manifest; paths in it are relative to its folder.
    pub fn load(path: &Path) -> Result<Self, DataError> {
        let text = fs::read_to_string(path).map_err(|source| DataError::Read {
            path: path.to_path_buf(),
            source,
        })?;
        let fail = |reason: String| DataError::Manifest {
            path: path.to_path_buf(),
            reason,
        };
        let written: BTreeMap<String, Written> =
            toml::from_str(&text).map_err(|error| fail(error.to_string().trim_end().to_owned()))?;
        let folder = path.parent().unwrap_or(Path::new(""));
        let mut entries = BTreeMap::new();
        for (name, written) in written {
            let entry = written
                .into_entry(&name, folder)
                .map_err(|reason| fail(format!("`{name}`: {reason}")))?;
            entries.insert(name, entry);
        }
        Ok(Self { entries })
    }

    /// The entry of this name.
    pub fn get(&self, name: &str) -> Option<&Entry> {
        self.entries.get(name)
    }

    /// All entries, in the order of their names.
    pub fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.entries.values()
    }

    /// The names of one kind, for suggestions.
    pub fn names(&self, kind: Kind) -> impl Iterator<Item = &str> {
        self.entries()
            .filter(move |entry| entry.kind == kind)
            .map(Entry::name)
    }
}

impl Entry {
    /// The name that a spec writes.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What the name refers to.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// What it is, in one line.
    pub fn description(&self) -> &str {
        &self.facts.description
    }

    /// The licence of the content.
    pub fn licence(&self) -> &str {
        &self.facts.licence
    }

    /// The number of rows or tasks, if the manifest says so.
    pub fn rows(&self) -> Option<usize> {
        self.facts.rows
    }

    /// About how much there is to download, in units of 10⁹ bytes.
    pub fn gigabytes(&self) -> Option<f64> {
        self.facts.gigabytes
    }

    /// The command that makes the content, if it is too large to be shipped.
    pub fn made_by(&self) -> Option<&str> {
        self.facts.made_by.as_deref()
    }

    /// The keys of a model's `config.json` that say how large it is, known before a download.
    pub fn shape(&self) -> Option<&Map<String, Value>> {
        self.facts.shape.as_ref()
    }

    /// Whether the content is part of this project.
    pub fn is_shipped(&self) -> bool {
        matches!(self.source, Source::Shipped(_))
    }

    /// The repository that the content comes from; nothing for a shipped file.
    pub fn repository(&self) -> Option<&str> {
        match &self.source {
            Source::Shipped(_) => None,
            Source::Remote(remote) => Some(&remote.repository),
        }
    }

    /// Represents the content of a download in the identity of a job.
    ///
    /// It is made of the repository and the revision, so a download does not change it. A shipped
    /// file is represented by the digest of its bytes instead.
    pub fn identity(&self) -> Digest {
        match &self.source {
            Source::Shipped(_) => Digest::of_json(&("shipped", &self.name)),
            Source::Remote(remote) => Digest::of_json(remote),
        }
    }

    pub(super) fn source(&self) -> &Source {
        &self.source
    }
}

/// An entry as the file has it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    kind: Kind,
    description: String,
    licence: String,
    rows: Option<usize>,
    gigabytes: Option<f64>,
    made_by: Option<String>,
    shape: Option<Map<String, Value>>,
    path: Option<PathBuf>,
    host: Option<Host>,
    repository: Option<String>,
    revision: Option<String>,
    #[serde(default)]
    files: Vec<String>,
    #[serde(default)]
    optional: Vec<String>,
    #[serde(default)]
    sha256: BTreeMap<String, String>,
    archive: Option<String>,
}

impl Written {
    fn into_entry(self, name: &str, folder: &Path) -> Result<Entry, String> {
        let source = match (self.path, self.host, self.repository, self.revision) {
            (Some(path), None, None, None) => Source::Shipped(folder.join(path)),
            (None, Some(host), Some(repository), Some(revision)) if !self.files.is_empty() => {
                let (files, optional, sha256) = (self.files, self.optional, self.sha256);
                let digits = |text: &String| {
                    text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
                };
                if !sha256.values().all(digits) {
                    return Err("`sha256` is not 64 hexadecimal digits".to_owned());
                }
                if (host == Host::Pypi) != self.archive.is_some() {
                    return Err("`archive` is the wheel of `host = \"pypi\"`".to_owned());
                }
                Source::Remote(Remote {
                    host,
                    repository,
                    revision,
                    files,
                    optional,
                    sha256,
                    archive: self.archive,
                })
            }
            _ => {
                let expected = "expected `path`, or `host`, `repository`, `revision` and `files`";
                return Err(expected.to_owned());
            }
        };
        let facts = Facts {
            description: self.description,
            licence: self.licence,
            rows: self.rows,
            gigabytes: self.gigabytes,
            made_by: self.made_by,
            shape: self.shape,
        };
        Ok(Entry {
            name: name.to_owned(),
            kind: self.kind,
            source,
            facts,
        })
    }
}

impl Kind {
    pub(super) fn noun(self) -> &'static str {
        match self {
            Self::Model => "model",
            Self::Migrations => "set of migrations",
            Self::Benchmark => "benchmark",
        }
    }
}

impl Remote {
    /// The page on which a person finds the files.
    pub(super) fn page(&self) -> String {
        let (repository, revision) = (&self.repository, &self.revision);
        match self.host {
            Host::HubModel => format!("https://huggingface.co/{repository}/tree/{revision}"),
            Host::HubDataset => {
                format!("https://huggingface.co/datasets/{repository}/tree/{revision}")
            }
            Host::Github => format!("https://github.com/{repository}/tree/{revision}"),
            Host::GithubRelease => {
                format!("https://github.com/{repository}/releases/tag/{revision}")
            }
            Host::Pypi => format!("https://pypi.org/project/{repository}/{revision}/"),
        }
    }
}

impl fmt::Display for Remote {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.repository)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(text: &str) -> Result<Manifest, DataError> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("manifest.toml");
        fs::write(&path, text).unwrap();
        Manifest::load(&path)
    }

    fn reason(text: &str) -> String {
        let error = written(text).unwrap_err().to_string();
        error.split_once("manifest.toml`: ").unwrap().1.to_owned()
    }

    const HEAD: &str = "[x]\nkind = \"model\"\ndescription = \"d\"\nlicence = \"l\"\n";

    #[test]
    fn an_entry_has_one_source() {
        let expected = "`x`: expected `path`, or `host`, `repository`, `revision` and `files`";
        for source in [
            "",
            "path = \"p\"\nhost = \"github\"",
            "host = \"github\"\nfiles = [\"f\"]",
        ] {
            assert_eq!(reason(&format!("{HEAD}{source}")), expected);
        }
    }

    #[test]
    fn a_mistake_in_the_file_is_shown_with_its_line() {
        let text = reason(&format!("{HEAD}pth = \"p\""));

        assert!(
            text.contains("line 5") && text.contains("unknown field `pth`"),
            "{text}"
        );
    }

    #[test]
    fn identity_follows_repository_and_revision_only() {
        let entry = |revision: &str, licence: &str| {
            let source = format!(
                "host = \"github\"\nrepository = \"a/b\"\nfiles = [\"f\"]\nrevision = \"{revision}\""
            );
            let text = format!("{HEAD}{source}").replace("\"l\"", &format!("\"{licence}\""));
            written(&text).unwrap().get("x").unwrap().identity()
        };

        assert_eq!(entry("1", "MIT"), entry("1", "BSD"));
        assert_ne!(entry("1", "MIT"), entry("2", "MIT"));
    }
}
