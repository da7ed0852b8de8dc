//! The logs of a finished job, compared with what they were when it ended.

use std::{
    collections::BTreeMap,
    fmt, io,
    path::{Path, PathBuf},
};

use super::JobDir;
use crate::{
    digest::Digest,
    disk::{DiskError, JsonLines},
    eval::{EvalOutcome, SampleRecord},
};

/// A log of a finished job that is not what it was when the job ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChangedLog {
    /// The file.
    pub path: PathBuf,
    /// Whether it was removed.
    pub is_gone: bool,
}

impl fmt::Display for ChangedLog {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = if self.is_gone {
            "was removed after"
        } else {
            "has changed since"
        };
        write!(formatter, "`{}` {what} its job ended", self.path.display())
    }
}

impl JobDir {
    /// The digest of each log, by its name.
    pub fn log_digests(&self) -> Result<BTreeMap<String, Digest>, DiskError> {
        let mut digests = BTreeMap::new();
        for path in self.logs() {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            if let Some(digest) = digest_of(&path).map_err(DiskError::read(&path))? {
                digests.insert(name.into_owned(), digest);
            }
        }
        Ok(digests)
    }

    /// The logs that are not what they were when the job ended; all of them are read. A job of an earlier
    /// version has no record of them.
    pub fn changed_logs(&self) -> Vec<ChangedLog> {
        let provenance = self.provenance();
        let mut attempts = provenance.attempts.iter().rev();
        let recorded = attempts.find(|attempt| !attempt.logs.is_empty());
        let Some(recorded) = recorded.map(|attempt| &attempt.logs) else {
            return Vec::new();
        };
        let changed = recorded.iter().filter_map(|(name, expected)| {
            let path = self.path().join(name);
            let found = digest_of(&path).ok().flatten();
            (found.as_ref() != Some(expected)).then(|| ChangedLog {
                is_gone: !path.exists(),
                path,
            })
        });
        changed.collect()
    }

    /// Why the samples on file are not those that an outcome was made of; nothing if they are, or if there is
    /// no such file.
    pub fn doubt_about_samples(&self, outcome: &EvalOutcome) -> Option<String> {
        let path = self.samples();
        if !path.exists() {
            return None;
        }
        let samples = match JsonLines::read::<SampleRecord>(&path) {
            Ok(samples) => samples,
            Err(error) => return Some(error.to_string()),
        };
        (!outcome.is_of(samples))
            .then(|| "`samples.jsonl` has other samples than the outcome was made of".to_owned())
    }

    /// The files that grow line by line while a job runs.
    pub(super) fn logs(&self) -> [PathBuf; 4] {
        [
            self.metrics(),
            self.samples(),
            self.evaluations(),
            self.non_finite(),
        ]
    }
}

/// The digest of a file; nothing if there is none.
fn digest_of(path: &Path) -> io::Result<Option<Digest>> {
    match Digest::of_file(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        digest => digest.map(Some),
    }
}
