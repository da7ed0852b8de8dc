//! Logs of JSON lines: `metrics.jsonl`, `samples.jsonl`.
//!
//! A line has a whole number `step`. A process that dies while it writes leaves half a line at the
//! end; whoever reads or goes on drops it.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write as _},
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::{ResultsError, atomic::write_durably};

/// A log that grows at its end.
#[derive(Debug)]
pub struct JsonLines {
    file: File,
    path: PathBuf,
}

#[derive(Deserialize)]
struct Step {
    step: u64,
}

impl JsonLines {
    /// Opens a log to go on with it: whole lines stay whose step `keep` accepts, all else goes.
    ///
    /// What a resumed training does again must not stand there twice.
    pub fn resume(path: &Path, keep: impl Fn(u64) -> bool) -> Result<Self, ResultsError> {
        let write = |source| ResultsError::Write {
            path: path.to_owned(),
            source,
        };
        let bytes = read_bytes(path)?;
        let stays = |line: &&[u8]| {
            line.ends_with(b"\n")
                && serde_json::from_slice::<Step>(line).is_ok_and(|line| keep(line.step))
        };
        let kept: Vec<&[u8]> = bytes
            .split_inclusive(|byte| *byte == b'\n')
            .filter(stays)
            .collect();
        let kept = kept.concat();
        if kept.len() != bytes.len() {
            tracing::debug!(path = %path.display(), bytes = bytes.len() - kept.len(), "dropped");
            write_durably(path, &kept)?;
        }
        let file = OpenOptions::new()
            .append(true)
            .create(true)
            .open(path)
            .map_err(write)?;
        Ok(Self {
            file,
            path: path.to_owned(),
        })
    }

    /// Adds a line, of a value whose JSON has a `step`.
    pub fn append<T: Serialize>(&mut self, value: &T) -> Result<(), ResultsError> {
        let mut line = serde_json::to_vec(value).map_err(|source| ResultsError::Damaged {
            path: self.path.clone(),
            source,
        })?;
        if serde_json::from_slice::<Step>(&line).is_err() {
            return Err(ResultsError::NoStep {
                path: self.path.clone(),
            });
        }
        line.push(b'\n');
        // One write a line, so that only the last one can be cut.
        let written = self.file.write_all(&line);
        written.map_err(|source| ResultsError::Write {
            path: self.path.clone(),
            source,
        })
    }

    /// Returns once the disk has all lines; before a checkpoint that relies on them.
    pub fn sync(&self) -> Result<(), ResultsError> {
        let synced = self.file.sync_data();
        synced.map_err(|source| ResultsError::Write {
            path: self.path.clone(),
            source,
        })
    }

    /// Takes away the first lines of a log that has more than `most`.
    pub fn keep_last(path: &Path, most: usize) -> Result<(), ResultsError> {
        let bytes = read_bytes(path)?;
        let lines: Vec<&[u8]> = bytes.split_inclusive(|byte| *byte == b'\n').collect();
        match lines.len().checked_sub(most) {
            None | Some(0) => Ok(()),
            Some(surplus) => write_durably(path, &lines[surplus..].concat()),
        }
    }

    /// The values of a log, without half a line at its end; none if there is no such file.
    pub fn read<T: DeserializeOwned>(path: &Path) -> Result<Vec<T>, ResultsError> {
        let bytes = read_bytes(path)?;
        let lines = bytes
            .split_inclusive(|byte| *byte == b'\n')
            .filter(|l| l.ends_with(b"\n"));
        let values = lines.map(serde_json::from_slice).collect::<Result<_, _>>();
        values.map_err(|source| ResultsError::Damaged {
            path: path.to_owned(),
            source,
        })
    }
}

fn read_bytes(path: &Path) -> Result<Vec<u8>, ResultsError> {
    match fs::read(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        read => read.map_err(|source| ResultsError::Read {
            path: path.to_owned(),
            source,
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Line {
        step: u64,
        loss: f64,
    }

    fn line(step: u64) -> Line {
        Line { step, loss: 0.5 }
    }

    fn log() -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("metrics.jsonl");
        (folder, path)
    }

    #[test]
    fn lines_after_the_checkpoint_are_dropped_on_resuming() {
        let (_folder, path) = log();
        let mut lines = JsonLines::resume(&path, |_| true).unwrap();
        for step in 1..=5 {
            lines.append(&line(step)).unwrap();
        }

        let mut lines = JsonLines::resume(&path, |step| step <= 3).unwrap();
        lines.append(&line(4)).unwrap();

        let read: Vec<Line> = JsonLines::read(&path).unwrap();
        assert_eq!(read, [1, 2, 3, 4].map(line));
    }

    #[test]
    fn half_a_line_at_the_end_is_neither_read_nor_kept() {
        let (_folder, path) = log();
        let whole = "{\"step\":1,\"loss\":0.5}\n";
        for cut in ["{", "{\"step\":2,\"loss\":0.", "{\"step\":2,\"loss\":0.5}"] {
            fs::write(&path, format!("{whole}{cut}")).unwrap();

            assert_eq!(JsonLines::read::<Line>(&path).unwrap(), [line(1)], "{cut}");
            JsonLines::resume(&path, |_| true)
                .unwrap()
                .append(&line(2))
                .unwrap();
            assert_eq!(
                JsonLines::read::<Line>(&path).unwrap(),
                [1, 2].map(line),
                "{cut}"
            );
        }
    }

    #[test]
    fn a_bounded_log_keeps_its_last_lines() {
        let (_folder, path) = log();
        for step in 1..=5 {
            let mut lines = JsonLines::resume(&path, |_| true).unwrap();
            lines.append(&line(step)).unwrap();
            JsonLines::keep_last(&path, 3).unwrap();
        }

        let read: Vec<Line> = JsonLines::read(&path).unwrap();
        assert_eq!(read, [3, 4, 5].map(line));
    }

    #[test]
    fn a_line_without_a_step_is_refused() {
        let (_folder, path) = log();
        let mut lines = JsonLines::resume(&path, |_| true).unwrap();

        let error = lines.append(&serde_json::json!({"loss": 1.0})).unwrap_err();

        assert!(matches!(error, ResultsError::NoStep { .. }));
        assert_eq!(fs::read(&path).unwrap(), b"");
    }

    #[test]
    fn a_full_disk_is_an_error_in_words() {
        // Opened by hand: reading `/dev/full` never ends.
        let path = PathBuf::from("/dev/full");
        let file = OpenOptions::new().append(true).open(&path).unwrap();

        let error = JsonLines { file, path }.append(&line(1)).unwrap_err();

        let cause = std::error::Error::source(&error).unwrap().to_string();
        assert!(cause.contains("No space left on device"), "{cause}");
    }
}
