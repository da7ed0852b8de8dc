//! Where an outcome comes from: program, machine, data, times. None of it is part of the outcome.

use std::{collections::BTreeMap, path::Path, process::Command, sync::LazyLock};

use serde::{Deserialize, Serialize};

use super::{Owner, Timestamp};
use crate::{digest::Digest, plan::Job};

/// The versions of all dependencies that this program was built with.
const LOCK_FILE: &[u8] = include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.lock"));

/// The digest of that file.
static LOCK_DIGEST: LazyLock<Digest> = LazyLock::new(|| Digest::of_bytes(LOCK_FILE));

/// The history of a job: every attempt, as each may be of another version of this program.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Provenance {
    /// The attempts, first to last.
    pub attempts: Vec<Attempt>,
}

/// One start of a job.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attempt {
    /// Its number, from 1.
    pub attempt: u32,
    /// The process and its machine.
    pub owner: Owner,
    /// The version of this program.
    pub version: String,
    /// The commit of the folder that it ran in, if git knows one.
    pub commit: Option<String>,
    /// Whether files of the program there had changes that were not committed.
    pub dirty: Option<bool>,
    /// Digest of `Cargo.lock` at the time of the build.
    pub lock_file: Digest,
    /// The device of the job, with the names of its GPUs if they are known; `remote` for a model at an endpoint.
    pub device: String,
    /// How many processes shared the job.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub ranks: usize,
    /// Digests of the files that the job reads.
    pub data: BTreeMap<String, Digest>,
    /// What judges completions: the versions of Python and of libraries, and the sandbox.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub judge: BTreeMap<String, String>,
    /// The endpoint of a remote model, and the cost of all completions of the job so far, or that of a teacher, and the
    /// cost of this attempt: tokens, and dollars if the spec gives prices.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub remote: BTreeMap<String, String>,
    /// The operations of the model that a slower implementation computed; none if it was killed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub operations: Vec<OperationFallback>,
    /// The digests of the logs of the job when it was done, by the names of the files.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub logs: BTreeMap<String, Digest>,
    /// When it started.
    pub started: Timestamp,
    /// When it ended; nothing if it was killed.
    pub ended: Option<Timestamp>,
}

fn one() -> usize {
    1
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
fn is_one(ranks: &usize) -> bool {
    *ranks == one()
}

/// An operation that a slower implementation computed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OperationFallback {
    /// What was computed.
    pub operation: String,
    /// The implementation that computed it.
    pub implementation: String,
    /// Why no faster one did.
    pub reason: String,
    /// How many times.
    pub count: u64,
}

impl Attempt {
    /// An attempt at `job` that starts now, in this process.
    pub fn begin(job: &Job, attempt: u32) -> Self {
        let is_remote = job.work.remote().is_some();
        let folder = Path::new(".");
        Self {
            attempt,
            owner: Owner::this_process(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            commit: git(folder, &["rev-parse", "HEAD"]),
            dirty: is_dirty(folder),
            lock_file: LOCK_DIGEST.clone(),
            device: if is_remote {
                "remote".to_owned()
            } else {
                job.work.backend.to_string()
            },
            ranks: one(),
            data: job.work.digests.clone(),
            judge: BTreeMap::new(),
            remote: BTreeMap::new(),
            operations: Vec::new(),
            logs: BTreeMap::new(),
            started: Timestamp::now(),
            ended: None,
        }
    }

    /// Whether it was an attempt of this program's version, with the same versions of its libraries.
    pub fn is_of_this_build(&self) -> bool {
        self.version == env!("CARGO_PKG_VERSION") && self.lock_file == *LOCK_DIGEST
    }
}

impl Attempt {
    /// Where it runs in a few words, such as `2 ranks on cuda 0,1`; nothing for one process on the processor.
    pub fn place(&self) -> Option<String> {
        let ranks = (self.ranks > 1).then(|| format!("{} ranks", self.ranks));
        let is_gpu = self.device != "cpu" && self.device != "remote";
        let parts = [ranks, is_gpu.then(|| self.device.clone())];
        let parts: Vec<String> = parts.into_iter().flatten().collect();
        (!parts.is_empty()).then(|| parts.join(" on "))
    }
}

/// The files that the program is made of, from the root of its repository, as git names them.
pub const PROGRAM_FILES: [&str; 3] = [":/src", ":/Cargo.toml", ":/Cargo.lock"];

/// Whether files of the program have changes that are not committed; a document changes no program.
fn is_dirty(folder: &Path) -> Option<bool> {
    let arguments = ["status", "--porcelain", "--"].into_iter();
    let arguments: Vec<&str> = arguments.chain(PROGRAM_FILES).collect();
    git(folder, &arguments).map(|changes| !changes.is_empty())
}

/// The output of git, or nothing without git or without a repository.
pub fn git(folder: &Path, arguments: &[&str]) -> Option<String> {
    let mut command = Command::new("git");
    // Reading the state of the tree must not lock its index.
    command
        .arg("--no-optional-locks")
        .arg("-C")
        .arg(folder)
        .args(arguments);
    let output = command
        .output()
        .ok()
        .filter(|output| output.status.success())?;
    Some(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_without_a_repository_has_no_commit() {
        let folder = tempfile::tempdir().unwrap();

        assert_eq!(git(folder.path(), &["rev-parse", "HEAD"]), None);
        assert_eq!(is_dirty(folder.path()), None);
    }

    #[test]
    fn only_files_that_can_change_the_program_make_it_another_one() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        };
        let files = ["src/a.rs", "Cargo.toml", "Cargo.lock", "docs/a.md"];
        for name in files {
            write(name, "before");
        }
        for arguments in [
            &["init", "--quiet"][..],
            &["add", "."],
            &[
                "-c",
                "user.name=x",
                "-c",
                "user.email=x@example.com",
                "commit",
                "--quiet",
                "--message=x",
            ],
        ] {
            git(folder.path(), arguments).unwrap();
        }
        assert_eq!(is_dirty(folder.path()), Some(false));
        for (name, expected) in files.into_iter().zip([true, true, true, false]) {
            write(name, "after");
            // The files of the program count from every folder of it.
            assert_eq!(
                is_dirty(&folder.path().join("docs")),
                Some(expected),
                "{name}"
            );
            write(name, "before");
        }
    }
}
