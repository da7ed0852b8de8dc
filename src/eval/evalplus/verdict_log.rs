//! Judgements on disk, by a digest of what was judged, so that a crash loses none of them.

use std::{collections::BTreeMap, path::Path};

use serde::{Deserialize, Serialize};

use crate::{
    digest::Digest,
    disk::{DiskError, JsonLines},
    eval::Judgement,
};

/// A file of judgements that grows line by line.
#[derive(Debug)]
pub struct VerdictLog {
    lines: JsonLines,
    known: BTreeMap<Digest, Judgement>,
}

#[derive(Serialize, Deserialize)]
struct Line {
    key: Digest,
    judgement: Judgement,
}

impl VerdictLog {
    /// Opens a log, or starts one. Lines that cannot be read are removed.
    pub fn open(path: &Path) -> Result<Self, DiskError> {
        let lines = JsonLines::resume(path, |_: &Line| true)?;
        let known = JsonLines::read::<Line>(path)?.into_iter();
        let known = known.map(|line| (line.key, line.judgement)).collect();
        Ok(Self { lines, known })
    }

    /// The judgement under a key.
    pub fn find(&self, key: &Digest) -> Option<&Judgement> {
        self.known.get(key)
    }

    /// Adds a judgement.
    pub fn add(&mut self, key: Digest, judgement: Judgement) -> Result<(), DiskError> {
        let line = Line { key, judgement };
        self.lines.append(&line)?;
        self.known.insert(line.key, line.judgement);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, io::Write as _};

    use super::*;
    use crate::sandbox::Verdict;

    #[test]
    fn only_verdicts_that_no_busy_machine_can_cause_are_lasting() {
        let timeout = Verdict::Timeout;
        let died = Verdict::Died {
            code: None,
            signal: Some(9),
        };
        let wrong = Verdict::Assertion {
            exception: "AssertionError".to_owned(),
            message: String::new(),
        };
        let is_lasting = |verdicts: &[Verdict]| Judgement::of_tests("tests", verdicts).is_lasting();

        assert!(is_lasting(&[Verdict::Pass]) && is_lasting(&[Verdict::Pass, wrong.clone()]));
        assert!(!is_lasting(std::slice::from_ref(&timeout)) && !is_lasting(&[Verdict::Pass, died]));
        // The first verdict would be the same in another run, the second might not.
        assert!(!is_lasting(&[wrong, timeout]));
    }

    #[test]
    fn what_was_judged_before_a_crash_is_there_after_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        let judgement = Judgement::of_tests("tests", &[Verdict::Timeout]);
        let [one, two] = ["one", "two"].map(|text| Digest::of_bytes(text.as_bytes()));
        let mut log = VerdictLog::open(&path).unwrap();
        log.add(one.clone(), judgement.clone()).unwrap();
        // The crash: half a line.
        let mut file = fs::OpenOptions::new().append(true).open(&path).unwrap();
        file.write_all(b"{\"key\":\"").unwrap();

        let mut log = VerdictLog::open(&path).unwrap();
        log.add(two.clone(), judgement.clone()).unwrap();
        let log = VerdictLog::open(&path).unwrap();

        assert_eq!(log.find(&one), Some(&judgement));
        assert_eq!(log.find(&two), Some(&judgement));
    }
}
