//! Whether the program has changed since a job was done.
//!
//! The commit is not part of a job's identity, so that a changed comment makes no job new. What has changed since is
//! shown, and `--rerun-on code` acts on it.

use std::{cell::RefCell, collections::BTreeMap, fs, path::Path};

use serde::Serialize;

use crate::results::{Attempt, JobDir, PROGRAM_FILES, git};

/// When jobs that are done are done again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum RerunOn {
    /// The program has changed since
    Code,
}

/// How many digits of a commit are shown.
const DIGITS: usize = 7;

/// How the program has changed since a job was done.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub(super) struct Drift {
    /// What has changed, in words.
    pub(super) what: String,
}

/// The program as it is now, compared with that of finished jobs.
#[derive(Debug)]
pub(super) struct Code {
    /// Whether the current folder is in a checkout of this program.
    is_checkout: bool,
    /// What has changed since a commit.
    known: RefCell<BTreeMap<(String, bool), Option<Drift>>>,
}

impl Code {
    /// The program in the current folder.
    pub(super) fn here() -> Self {
        let root = git(Path::new("."), &["rev-parse", "--show-toplevel"]);
        let manifest =
            root.and_then(|root| fs::read_to_string(Path::new(&root).join("Cargo.toml")).ok());
        let name = format!("name = \"{}\"", env!("CARGO_PKG_NAME"));
        Self {
            is_checkout: manifest.is_some_and(|text| text.lines().any(|line| line == name)),
            known: RefCell::default(),
        }
    }

    /// What has changed since the last attempt of a job; nothing if that is not known.
    pub(super) fn drift(&self, dir: &JobDir) -> Option<Drift> {
        let attempts = dir.provenance().attempts;
        let last = attempts.last()?;
        self.since(last)
    }

    /// What has changed since an attempt of a job.
    pub(super) fn since(&self, attempt: &Attempt) -> Option<Drift> {
        if !attempt.is_of_this_build() {
            let what = format!(
                "version {}, with other versions of its libraries",
                attempt.version
            );
            return Some(Drift { what });
        }
        let commit = attempt.commit.as_ref().filter(|_| self.is_checkout)?;
        // What was not committed then is not known: the commits are compared.
        let until = if attempt.dirty == Some(true) {
            Until::Commit
        } else {
            Until::Now
        };
        let key = (commit.clone(), until == Until::Now);
        let known = self.known.borrow().get(&key).cloned();
        let drift = known.unwrap_or_else(|| since_commit(commit, until));
        self.known.borrow_mut().insert(key, drift.clone());
        drift
    }
}

/// What a commit is compared with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Until {
    /// The last commit.
    Commit,
    /// The files as they are, committed or not.
    Now,
}

/// The files of the program that differ from those of a commit.
fn since_commit(commit: &str, until: Until) -> Option<Drift> {
    let short: String = commit.chars().take(DIGITS).collect();
    // A commit is hexadecimal; anything else could be an option of git.
    if !commit.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    let mut arguments = vec!["diff", "--name-only", "--no-renames", commit];
    arguments.extend((until == Until::Commit).then_some("HEAD"));
    arguments.push("--");
    arguments.extend(PROGRAM_FILES);
    let Some(files) = git(Path::new("."), &arguments) else {
        let what = format!("commit {short}, which is not in this repository");
        return Some(Drift { what });
    };
    let files: Vec<&str> = files.lines().collect();
    let first = files.first()?;
    let what = match files.len() {
        1 => format!("commit {short}: {first}"),
        count => format!("commit {short}: {count} files, such as {first}"),
    };
    Some(Drift { what })
}
