//! The folder of downloads, and what is in it.

use std::path::{Path, PathBuf};

use super::{
    download_lock::Lock,
    manifest::{Entry, Kind, Remote, Source},
    pattern::matches,
};
use crate::disk::folders;

/// The folder of downloads: a folder an entry, and next to it the record of its first download.
#[derive(Clone, Debug)]
pub struct Cache {
    folder: PathBuf,
}

/// Where the content of an entry is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Resolved {
    /// On this machine: a folder or a GGUF file for a model, a file for data.
    Here(PathBuf),
    /// Not on this machine.
    Missing {
        /// What is missing, as the beginning of a sentence.
        what: String,
        /// How to get it.
        how: String,
    },
}

impl Cache {
    /// The cache in this folder.
    pub fn at(folder: impl Into<PathBuf>) -> Self {
        Self {
            folder: folder.into(),
        }
    }

    /// `RECODE_CACHE`, else `recode` in the user's folder for caches.
    pub fn from_environment() -> Self {
        let chosen = folders::named_by("RECODE_CACHE")
            .or_else(|| Some(folders::user_caches()?.join("recode")));
        Self::at(chosen.unwrap_or_else(|| PathBuf::from(".cache/recode")))
    }

    /// Where it is; the folder may not exist yet.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The folder of an entry's files once they are complete.
    pub(super) fn complete(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// The folder of an entry's files while they are being downloaded from `revision`.
    pub(super) fn partial(&self, name: &str, revision: &str) -> PathBuf {
        self.folder.join(format!("{name}.{revision}.partial"))
    }

    /// The record of the first download of an entry.
    pub(super) fn lock_path(&self, name: &str) -> PathBuf {
        self.folder.join(format!("{name}.lock.toml"))
    }

    /// The file that a process locks while it downloads an entry.
    pub(super) fn guard(&self, name: &str) -> PathBuf {
        self.folder.join(format!("{name}.guard"))
    }

    /// The file or folder of an entry on this machine, or what to do about its absence.
    pub fn resolve(&self, entry: &Entry) -> Resolved {
        match entry.source() {
            Source::Shipped(path) if path.exists() => Resolved::Here(path.clone()),
            Source::Shipped(path) => match entry.made_by() {
                Some(command) => Resolved::Missing {
                    what: format!("`{}` has not been made yet", path.display()),
                    how: format!("make it with `{command}`"),
                },
                None => Resolved::Missing {
                    what: format!("`{}`, a part of this project, is not there", path.display()),
                    how: "restore it with `recode init`, or in a checkout with `git checkout -- datasets`"
                        .to_owned(),
                },
            },
            Source::Remote(remote) => self
                .downloaded(entry, remote)
                .map_or_else(|| self.missing(entry, remote), Resolved::Here),
        }
    }

    /// The folder or file of a download, or of files that a person has put there.
    fn downloaded(&self, entry: &Entry, remote: &Remote) -> Option<PathBuf> {
        let folder = self.complete(entry.name());
        let present = match Lock::read(&self.lock_path(entry.name()), remote) {
            Ok(Some(lock)) if lock.is_complete_in(&folder) => lock.files.into_keys().collect(),
            Ok(Some(_)) => return None,
            // A damaged record matters to the next download, which refuses it.
            Ok(None) | Err(_) => files_below(&folder),
        };
        let wanted = |pattern: &String| present.iter().find(|name| matches(pattern, name));
        let first = remote
            .files
            .iter()
            .map(wanted)
            .collect::<Option<Vec<_>>>()?;
        match entry.kind() {
            Kind::Model => Some(match first.as_slice() {
                [only] if Path::new(only).extension().is_some_and(|end| end == "gguf") => {
                    folder.join(only)
                }
                _ => folder,
            }),
            Kind::Migrations | Kind::Benchmark => first.first().map(|name| folder.join(name)),
        }
    }

    fn missing(&self, entry: &Entry, remote: &Remote) -> Resolved {
        let name = entry.name();
        let size = entry
            .gigabytes()
            .map_or_else(String::new, |size| format!(", {size:.1} GB"));
        let what = format!(
            "the {} `{name}` ({remote}{size}) is not here",
            entry.kind().noun()
        );
        let how = format!(
            "run `recode fetch {name}`, or {}",
            self.advice(entry, remote)
        );
        Resolved::Missing { what, how }
    }

    fn advice(&self, entry: &Entry, remote: &Remote) -> String {
        let path = if entry.kind() == Kind::Model {
            "folder"
        } else {
            "file"
        };
        format!(
            "put {} of {} into `{}`, or write the path of a {path} in place of the name",
            listed(&remote.files),
            remote.page(),
            self.complete(entry.name()).display(),
        )
    }

    /// How to get an entry without this program; nothing for one that this project ships.
    pub fn by_hand(&self, entry: &Entry) -> Option<String> {
        match entry.source() {
            Source::Shipped(_) => None,
            Source::Remote(remote) => Some(self.advice(entry, remote)),
        }
    }
}

/// `a`, `b` and `c`, each in backticks.
pub(super) fn listed(names: &[String]) -> String {
    let quoted: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    match quoted.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{} and {last}", rest.join(", ")),
        _ => quoted.concat(),
    }
}

/// The paths of the files below a folder, relative to it.
fn files_below(folder: &Path) -> Vec<String> {
    walkdir::WalkDir::new(folder)
        .follow_links(true)
        .sort_by_file_name()
        .into_iter()
        .filter_map(Result::ok)
        .filter(|entry| entry.file_type().is_file())
        .filter_map(|entry| Some(entry.path().strip_prefix(folder).ok()?.to_str()?.to_owned()))
        .collect()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::data::{Manifest, download_lock::LockedFile};

    const MANIFEST: &str = r#"
[model]
kind = "model"
description = "d"
licence = "MIT"
host = "hub_model"
repository = "a/b"
revision = "main"
files = ["config.json", "*.safetensors"]
gigabytes = 1.25

[tasks]
kind = "benchmark"
description = "d"
licence = "MIT"
host = "github"
repository = "c/d"
revision = "v1"
files = ["data/tasks.jsonl"]

[shipped]
kind = "migrations"
description = "d"
licence = "MIT"
path = "rows.jsonl"
"#;

    struct Fixture {
        folder: tempfile::TempDir,
        manifest: Manifest,
    }

    impl Fixture {
        fn new() -> Self {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("manifest.toml");
            fs::write(&path, MANIFEST).unwrap();
            let manifest = Manifest::load(&path).unwrap();
            Self { folder, manifest }
        }

        fn put(&self, name: &str, text: &str) {
            let path = self.folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }

        fn resolve(&self, name: &str) -> Option<PathBuf> {
            let cache = Cache::at(self.folder.path().join("cache"));
            match cache.resolve(self.manifest.get(name).unwrap()) {
                Resolved::Here(path) => {
                    Some(path.strip_prefix(self.folder.path()).unwrap().to_path_buf())
                }
                Resolved::Missing { .. } => None,
            }
        }
    }

    #[test]
    fn files_put_there_by_hand_are_found_once_all_are_there() {
        let fixture = Fixture::new();
        fixture.put("cache/model/config.json", "{}");
        assert_eq!(fixture.resolve("model"), None);

        fixture.put("cache/model/model-1-of-1.safetensors", "w");
        fixture.put("cache/tasks/data/tasks.jsonl", "{}");
        fixture.put("rows.jsonl", "{}");

        assert_eq!(fixture.resolve("model"), Some("cache/model".into()));
        assert_eq!(
            fixture.resolve("tasks"),
            Some("cache/tasks/data/tasks.jsonl".into())
        );
        assert_eq!(fixture.resolve("shipped"), Some("rows.jsonl".into()));
    }

    #[test]
    fn a_download_that_has_lost_bytes_is_not_complete() {
        let fixture = Fixture::new();
        fixture.put("cache/tasks/data/tasks.jsonl", "{}");
        let lock = |bytes| Lock {
            repository: "c/d".to_owned(),
            revision: "v1".to_owned(),
            commit: None,
            files: [(
                "data/tasks.jsonl".to_owned(),
                LockedFile {
                    bytes,
                    sha256: String::new(),
                },
            )]
            .into(),
        };
        let cache = Cache::at(fixture.folder.path().join("cache"));

        lock(3).write(&cache.lock_path("tasks")).unwrap();
        assert_eq!(fixture.resolve("tasks"), None);

        lock(2).write(&cache.lock_path("tasks")).unwrap();
        assert!(fixture.resolve("tasks").is_some());
    }

    #[test]
    fn what_is_missing_is_said_with_all_ways_to_get_it() {
        let manifest = Fixture::new().manifest;

        let resolved = Cache::at("cache").resolve(manifest.get("model").unwrap());

        let Resolved::Missing { what, how } = resolved else {
            panic!("{resolved:?}")
        };
        insta::assert_snapshot!(what, @"the model `model` (a/b, 1.2 GB) is not here");
        insta::assert_snapshot!(how, @"run `recode fetch model`, or put `config.json` and `*.safetensors` of https://huggingface.co/a/b/tree/main into `cache/model`, or write the path of a folder in place of the name");
    }
}
