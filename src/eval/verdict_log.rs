//! Judgements on disk, by what was judged: a crash loses none that was reached.

use std::{
    collections::BTreeMap,
    fs::{self, File, OpenOptions},
    io::{self, Write as _},
    path::Path,
};

use serde::{Deserialize, Serialize};

use super::Judgement;
use crate::digest::Digest;

/// A file of judgements that grows line by line.
#[derive(Debug)]
pub struct VerdictLog {
    file: File,
    known: BTreeMap<Digest, Judgement>,
}

#[derive(Serialize, Deserialize)]
struct Line {
    key: Digest,
    judgement: Judgement,
}

impl VerdictLog {
    /// Opens a log, or begins one. A last line that a crash has cut is left out.
    pub fn open(path: &Path) -> io::Result<Self> {
        let text = match fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
            Err(error) => return Err(error),
        };
        let lines = text
            .lines()
            .filter_map(|line| serde_json::from_str::<Line>(line).ok());
        let known = lines.map(|line| (line.key, line.judgement)).collect();
        let mut file = OpenOptions::new().append(true).create(true).open(path)?;
        if !text.is_empty() && !text.ends_with('\n') {
            file.write_all(b"\n")?;
        }
        Ok(Self { file, known })
    }

    /// The judgement of what has this key.
    pub fn find(&self, key: &Digest) -> Option<&Judgement> {
        self.known.get(key)
    }

    /// Keeps a judgement.
    pub fn add(&mut self, key: Digest, judgement: Judgement) -> io::Result<()> {
        let line = Line { key, judgement };
        let mut text = serde_json::to_string(&line)?;
        text.push('\n');
        self.file.write_all(text.as_bytes())?;
        self.known.insert(line.key, line.judgement);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sandbox::Verdict;

    #[test]
    fn only_what_the_machine_has_no_part_in_is_lasting() {
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
        // The first to fail is wrong, and so is the solution; the second would be judged otherwise.
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
        log.file.write_all(b"{\"key\":\"").unwrap();

        let mut log = VerdictLog::open(&path).unwrap();
        log.add(two.clone(), judgement.clone()).unwrap();
        let log = VerdictLog::open(&path).unwrap();

        assert_eq!(log.find(&one), Some(&judgement));
        assert_eq!(log.find(&two), Some(&judgement));
    }
}
