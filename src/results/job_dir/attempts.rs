//! The starts of a job, and what each of them wrote to its standard error.

use std::{fs, io};

use super::{JobDir, create_folder, names};
use crate::{disk::DiskError, results::ResultsError};

/// More starts than a job can have.
const MOST_ATTEMPTS: u32 = 1_000_000_000;

impl JobDir {
    /// Makes the folder of a new attempt and returns its number.
    pub fn new_attempt(&self) -> Result<u32, ResultsError> {
        create_folder(&self.path.join("attempts"))?;
        let mut attempt = self.last_attempt() + 1;
        loop {
            let path = self.attempt(attempt);
            match fs::create_dir(&path) {
                Ok(()) => return Ok(attempt),
                // Another scheduler has taken the number since: its log must stay its own.
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => attempt += 1,
                Err(error) => return Err(DiskError::write(&path)(error).into()),
            }
        }
    }

    /// Removes the folder of an attempt that never began because another process holds the lock: its
    /// log must not hide that of the process that runs the job.
    pub fn forget_attempt(&self, attempt: u32) {
        // One that stays hides a log, which is no reason to fail.
        let _ = fs::remove_dir_all(self.attempt(attempt));
    }

    /// The number of the last attempt; 0 if there was none. A number that no scheduler reaches is a stray
    /// folder's.
    pub fn last_attempt(&self) -> u32 {
        names(&self.path.join("attempts"))
            .filter_map(|name| {
                name.parse::<u32>()
                    .ok()
                    .filter(|number| *number <= MOST_ATTEMPTS)
            })
            .max()
            .unwrap_or(0)
    }

    /// The last lines that an attempt wrote to its standard error.
    pub fn last_words(&self, attempt: u32) -> Option<String> {
        last_words(&fs::read(self.attempt(attempt).join("stderr.log")).ok()?)
    }
}

/// The end of a log that gives the reason: from its last error on, or its last three lines.
fn last_words(log: &[u8]) -> Option<String> {
    const MOST: usize = 6;
    let text = String::from_utf8_lossy(log.get(log.len().saturating_sub(8192)..)?).into_owned();
    let lines: Vec<&str> = text
        .lines()
        .map(str::trim_end)
        .filter(|line| !line.is_empty())
        .collect();
    let has_reason = |line: &&str| line.starts_with("error:") || line.contains("panicked at");
    let start = lines
        .iter()
        .rposition(has_reason)
        .unwrap_or(lines.len().saturating_sub(3));
    let words = lines
        .get(start..)?
        .iter()
        .take(MOST)
        .copied()
        .collect::<Vec<_>>()
        .join("\n");
    (!words.is_empty()).then_some(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn last_words_begin_with_the_last_error() {
        let words = |log: &str| last_words(log.as_bytes());

        assert_eq!(words(""), None);
        assert_eq!(words("a\nb\n\nc\nd\n").as_deref(), Some("b\nc\nd"));
        assert_eq!(
            words("INFO start\nerror: first\nINFO more\nerror: full disk\nhelp: free some\n")
                .as_deref(),
            Some("error: full disk\nhelp: free some")
        );
        assert_eq!(
            words("x\nthread 'main' panicked at src/a.rs:1:1:\nwhy\nnote: run\n").as_deref(),
            Some("thread 'main' panicked at src/a.rs:1:1:\nwhy\nnote: run")
        );
    }
}
