//! Files that other programs have downloaded from the hub: the folder of `huggingface_hub`.
//!
//! It is only read. A repository is `models--owner--name` or `datasets--owner--name`; in it,
//! `refs/main` holds the commit that `main` was when it was asked for, and `snapshots/<commit>` the
//! files.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use super::listing::{Announced, Listing, is_usable};
use crate::{
    data::{
        manifest::{Host, Remote},
        pattern::matches,
    },
    disk::folders,
};

/// The folder that `huggingface_hub` uses by this environment, if it is there.
pub(super) fn from_environment() -> Option<PathBuf> {
    let home = || {
        folders::named_by("HF_HOME").or_else(|| Some(folders::user_caches()?.join("huggingface")))
    };
    let chosen = folders::named_by("HF_HUB_CACHE").or_else(|| Some(home()?.join("hub")));
    chosen.filter(|folder| folder.is_dir())
}

/// A repository within the folder.
#[derive(Debug)]
pub(super) struct Repository(PathBuf);

impl Repository {
    /// The repository of `remote`, if `hub` has it.
    pub(super) fn of(hub: Option<&Path>, remote: &Remote) -> Option<Self> {
        let kind = match remote.host {
            Host::HubModel => "models",
            Host::HubDataset => "datasets",
            Host::Github | Host::GithubRelease | Host::Pypi => return None,
        };
        let name = remote.repository.replace('/', "--");
        let folder = hub?.join(format!("{kind}--{name}"));
        folder.is_dir().then_some(Self(folder))
    }

    /// A file at a commit.
    pub(super) fn file(&self, commit: &str, name: &str) -> Option<PathBuf> {
        let path = self.snapshot(commit)?.join(name);
        (is_usable(name) && path.is_file()).then_some(path)
    }

    /// The wanted files that are here, if all required ones are: for use without a connection.
    pub(super) fn listing(&self, remote: &Remote) -> Option<Listing> {
        let commit = match fs::read_to_string(self.0.join("refs").join(&remote.revision)) {
            Ok(commit) => commit.trim().to_owned(),
            // The revision may be a commit itself.
            Err(_) => remote.revision.clone(),
        };
        let mut names = Vec::new();
        collect(&self.snapshot(&commit)?, "", &mut names);
        let is_there = |pattern: &String| names.iter().any(|name| matches(pattern, name));
        if !remote.files.iter().all(is_there) {
            return None;
        }
        let wanted: Vec<&String> = remote.files.iter().chain(&remote.optional).collect();
        names.retain(|name| wanted.iter().any(|pattern| matches(pattern, name)));
        let files: BTreeMap<String, Announced> = names
            .into_iter()
            .map(|name| (name, Announced::default()))
            .collect();
        Some(Listing {
            commit: Some(commit),
            files,
        })
    }

    fn snapshot(&self, commit: &str) -> Option<PathBuf> {
        let folder = self.0.join("snapshots").join(commit);
        (is_usable(commit) && folder.is_dir()).then_some(folder)
    }
}

/// Adds the paths of all files below `folder`; the files themselves are links into `blobs`.
fn collect(folder: &Path, before: &str, names: &mut Vec<String>) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let Ok(name) = entry.file_name().into_string() else {
            continue;
        };
        let (path, name) = (entry.path(), format!("{before}{name}"));
        if path.is_dir() {
            collect(&path, &format!("{name}/"), names);
        } else if path.is_file() {
            names.push(name);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn remote(files: &[&str], revision: &str) -> Remote {
        Remote {
            host: Host::HubModel,
            repository: "o/n".to_owned(),
            revision: revision.to_owned(),
            files: files.iter().map(|name| (*name).to_owned()).collect(),
            optional: vec!["extra.json".to_owned()],
            sha256: BTreeMap::new(),
            archive: None,
        }
    }

    /// The layout that `huggingface_hub` documents: blobs, and snapshots of links to them.
    fn hub() -> tempfile::TempDir {
        let hub = tempfile::tempdir().unwrap();
        let repository = hub.path().join("models--o--n");
        let snapshot = repository.join("snapshots/c0ffee");
        for folder in ["refs", "blobs", "snapshots/c0ffee/deep"] {
            fs::create_dir_all(repository.join(folder)).unwrap();
        }
        fs::write(repository.join("refs/main"), "c0ffee").unwrap();
        fs::write(repository.join("blobs/b1"), "{}").unwrap();
        symlink("../../blobs/b1", snapshot.join("config.json")).unwrap();
        symlink("../../../blobs/b1", snapshot.join("deep/a.json")).unwrap();
        symlink("../../blobs/gone", snapshot.join("lost.json")).unwrap();
        hub
    }

    fn names(hub: &Path, remote: &Remote) -> Option<Vec<String>> {
        let listing = Repository::of(Some(hub), remote)?.listing(remote)?;
        assert_eq!(listing.commit.as_deref(), Some("c0ffee"));
        Some(listing.files.into_keys().collect())
    }

    #[test]
    fn a_revision_is_found_by_its_name_and_by_its_commit() {
        let hub = hub();
        for revision in ["main", "c0ffee"] {
            let found = names(hub.path(), &remote(&["config.json", "deep/*"], revision));
            assert_eq!(found.unwrap(), ["config.json", "deep/a.json"]);
        }
    }

    #[test]
    fn what_is_not_whole_is_not_offered() {
        let hub = hub();
        assert_eq!(names(hub.path(), &remote(&["lost.json"], "main")), None);
        assert_eq!(names(hub.path(), &remote(&["config.json"], "other")), None);
        assert_eq!(
            names(hub.path(), &remote(&["config.json"], "../../x")),
            None
        );
        let other = Remote {
            host: Host::HubDataset,
            ..remote(&["config.json"], "main")
        };
        assert!(Repository::of(Some(hub.path()), &other).is_none());
        assert!(Repository::of(None, &remote(&["config.json"], "main")).is_none());
    }
}
