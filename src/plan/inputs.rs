//! What the names and paths of a spec refer to: files, and the digests that enter a job's identity.

use std::{
    cell::RefCell,
    collections::BTreeMap,
    io,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use crate::{
    data::{Cache, Entry, Manifest, Resolved},
    digest::Digest,
    model::{is_gguf, is_model},
};

use super::{Content, JobId, PlanError};

/// What a name or a path of a spec refers to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Input {
    /// Where the content is, or will be.
    pub path: PathBuf,
    /// What represents the content in the identity of a job.
    pub digest: Digest,
    /// What a job compares before it reads the content; nothing if the digest is that of a name, such as a
    /// repository and its revision.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content: Option<Content>,
    /// What to do, if the content is not there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub missing: Option<Missing>,
}

/// Something that jobs read and that is not on this machine.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Missing {
    /// The name that the spec has for it.
    pub name: String,
    /// What is missing, as a sentence without its full stop.
    pub what: String,
    /// How to get it.
    pub how: String,
    /// About how much there is to download, in units of 10⁹ bytes.
    pub gigabytes: Option<f64>,
    /// The jobs that read it.
    pub needed_by: Vec<JobId>,
}

/// Says what the names of a spec refer to. A plan reads files through nothing else.
pub trait Inputs {
    /// A model: a name of the manifest, or a folder.
    fn model(&self, base: &str) -> Result<Input, PlanError>;
    /// A data set: a name of the manifest, or a file.
    fn data(&self, name: &str) -> Result<Input, PlanError>;
    /// A file of this machine.
    fn file(&self, path: &Path) -> Result<Input, PlanError>;
    /// The file of a reference table, such as `recode.table1`.
    fn reference(&self, name: &str) -> Result<Input, PlanError>;
}

/// The inputs of a project: its manifest, the cache of downloads, and files.
///
/// A name of the manifest is identified by its repository and revision, downloaded or not, so that
/// a download changes no job; everything else is identified by its bytes.
#[derive(Debug)]
pub struct ProjectInputs<'a> {
    manifest: Option<&'a Manifest>,
    cache: Cache,
    /// The project's folder.
    root: PathBuf,
    /// Weights are large: each file and folder is read once.
    known: RefCell<BTreeMap<PathBuf, (Digest, Content)>>,
}

impl<'a> ProjectInputs<'a> {
    /// The inputs that a manifest names, downloaded to a cache.
    pub fn new(manifest: Option<&'a Manifest>, cache: Cache) -> Self {
        Self {
            manifest,
            cache,
            root: PathBuf::new(),
            known: RefCell::default(),
        }
    }

    /// The same in a project whose folder is not the current one.
    #[must_use]
    pub fn below(self, root: &Path) -> Self {
        Self {
            root: root.to_owned(),
            ..self
        }
    }

    fn named(&self, entry: &Entry) -> Result<Input, PlanError> {
        match self.cache.resolve(entry) {
            Resolved::Here(path) if entry.is_shipped() && path.is_dir() => {
                self.read(&path, Digest::of_folder)
            }
            Resolved::Here(path) if entry.is_shipped() => self.file(&path),
            Resolved::Here(path) => Ok(Input {
                path,
                digest: entry.identity(),
                content: None,
                missing: None,
            }),
            Resolved::Missing { what, how } => Ok(Input {
                path: PathBuf::from(entry.name()),
                digest: entry.identity(),
                content: None,
                missing: Some(Missing {
                    name: entry.name().to_owned(),
                    what,
                    how,
                    gigabytes: entry.gigabytes(),
                    needed_by: Vec::new(),
                }),
            }),
        }
    }

    fn read(&self, path: &Path, of: fn(&Path) -> io::Result<Digest>) -> Result<Input, PlanError> {
        let known = self.known.borrow().get(path).cloned();
        let hash = || -> io::Result<(Digest, Content)> {
            if path.exists() && !path.is_file() && !path.is_dir() {
                // A device or a pipe may have no end.
                return Err(io::Error::other(
                    "it is neither a regular file nor a folder",
                ));
            }
            // The stamp first: a change while the bytes are read must show later.
            let stamp = is_model(path).then(|| Digest::stamp_of_folder(path));
            let stamp = stamp.transpose()?;
            let path = path.to_owned();
            Ok((of(&path)?, Content { path, stamp }))
        };
        let (digest, content) = match known {
            Some(known) => known,
            None => hash().map_err(|source| PlanError::Digest {
                path: path.to_owned(),
                source,
            })?,
        };
        self.known
            .borrow_mut()
            .insert(path.to_owned(), (digest.clone(), content.clone()));
        Ok(Input {
            path: path.to_owned(),
            digest,
            content: Some(content),
            missing: None,
        })
    }

    fn entry(&self, name: &str) -> Option<&'a Entry> {
        self.manifest?.get(name)
    }
}

impl Inputs for ProjectInputs<'_> {
    fn model(&self, base: &str) -> Result<Input, PlanError> {
        match self.entry(base) {
            Some(entry) => self.named(entry),
            None if is_gguf(Path::new(base)) => self.file(Path::new(base)),
            None => self.read(Path::new(base), Digest::of_folder),
        }
    }

    fn data(&self, name: &str) -> Result<Input, PlanError> {
        match self.entry(name) {
            Some(entry) => self.named(entry),
            None => self.file(Path::new(name)),
        }
    }

    fn file(&self, path: &Path) -> Result<Input, PlanError> {
        self.read(path, Digest::of_file)
    }

    fn reference(&self, name: &str) -> Result<Input, PlanError> {
        let (file, _) = name.split_once('.').unwrap_or((name, ""));
        let folder = self.root.join("datasets/reference");
        self.file(&folder.join(format!("{file}.toml")))
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_device_is_refused_before_its_bytes_are_read() {
        let inputs = ProjectInputs::new(None, Cache::at("/"));
        let error = inputs.file(Path::new("/dev/zero")).unwrap_err();
        let PlanError::Digest { source, .. } = error else {
            panic!("{error}")
        };
        assert!(source.to_string().contains("regular file"), "{source}");
    }

    #[test]
    fn content_that_was_written_since_is_found_and_the_same_bytes_are_not() {
        let folder = tempfile::tempdir().unwrap();
        let (file, model) = (folder.path().join("a.jinja"), folder.path().join("model"));
        let gguf = folder.path().join("model.gguf");
        fs::create_dir(&model).unwrap();
        let write = |text: &str| {
            fs::write(&file, text).unwrap();
            fs::write(&gguf, text).unwrap();
            fs::write(model.join("weights"), text).unwrap();
        };
        write("before");
        let inputs = ProjectInputs::new(None, Cache::at(folder.path()));
        let planned = [
            inputs.file(&file).unwrap(),
            inputs.model(model.to_str().unwrap()).unwrap(),
            inputs.model(gguf.to_str().unwrap()).unwrap(),
        ];
        // The digest of a GGUF file is that of its bytes, wherever it is.
        assert_eq!(planned[2].digest, Digest::of_bytes(b"before"));
        let are_same = || {
            planned
                .clone()
                .map(|input| input.content.unwrap().has_digest(&input.digest).unwrap())
        };

        assert_eq!(are_same(), [true, true, true]);
        write("after ");
        assert_eq!(are_same(), [false, false, false]);
        // The models have other stamps now, so that its bytes decide.
        write("before");
        assert_eq!(are_same(), [true, true, true]);
    }
}
