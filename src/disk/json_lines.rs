//! Logs of JSON, a value a line.
//!
//! A line counts once its line break is written. A process that dies while it writes leaves a last
//! line without one. That line is not read, and it is cut off before the log grows again.
//!
//! Several processes may append to one log: each holds the file's lock while it writes a line, and
//! while it cuts one off.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read as _, Write as _},
    path::{Path, PathBuf},
};

use serde::{Serialize, de::DeserializeOwned};

use super::{
    DiskError,
    atomic::{self, Flush},
};

/// A log that grows at its end.
#[derive(Debug)]
pub struct JsonLines {
    file: File,
    path: PathBuf,
}

impl JsonLines {
    /// Opens a log to add lines to it, or begins one.
    pub fn open(path: &Path) -> Result<Self, DiskError> {
        let options = OpenOptions::new()
            .read(true)
            .append(true)
            .create(true)
            .open(path);
        let file = options.map_err(DiskError::write(path))?;
        locked(&file, cut_torn_line).map_err(DiskError::write(path))?;
        Ok(Self {
            file,
            path: path.to_owned(),
        })
    }

    /// Opens a log without the lines that `keep` refuses, or that hold no `K`.
    ///
    /// Steps that a resumed job repeats must not be in the log twice. `K` is the part of a value that
    /// decides, such as a struct with the step alone.
    pub fn resume<K: DeserializeOwned>(
        path: &Path,
        keep: impl Fn(&K) -> bool,
    ) -> Result<Self, DiskError> {
        let bytes = read_bytes(path)?;
        let mut damaged = None;
        let mut stays = |number: usize, line: &[u8]| {
            if let Ok(key) = serde_json::from_slice::<K>(line) {
                keep(&key)
            } else {
                damaged.get_or_insert(number);
                false
            }
        };
        let lines = (1..).zip(whole_lines(&bytes));
        let kept = lines.filter_map(|(number, line)| stays(number, line).then_some(line));
        let kept: Vec<&[u8]> = kept.collect();
        if let Some(number) = damaged {
            warn_of_damage(path, number, "it is removed");
        }
        let kept = kept.concat();
        if kept.len() != bytes.len() {
            tracing::debug!(path = %path.display(), bytes = bytes.len() - kept.len(), "dropped");
            atomic::write(path, &kept, Flush::Now).map_err(DiskError::write(path))?;
        }
        Self::open(path)
    }

    /// Adds a value as a line.
    pub fn append<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), DiskError> {
        let line = line(&self.path, value)?;
        locked(&self.file, |mut file| {
            let before = file.metadata()?.len();
            // One write a line, so that only the last one can be cut.
            let written = file.write_all(&line);
            if written.is_err() {
                // A full disk may have taken a part of the line, which must not stay before the next.
                let _ = file.set_len(before);
            }
            written
        })
        .map_err(DiskError::write(&self.path))
    }

    /// Returns once the disk has all lines, as a checkpoint that relies on them needs.
    pub fn sync(&self) -> Result<(), DiskError> {
        self.file.sync_data().map_err(DiskError::write(&self.path))
    }

    /// Replaces a log by these values.
    pub fn replace<T: Serialize>(path: &Path, values: &[T]) -> Result<(), DiskError> {
        let mut bytes = Vec::new();
        for value in values {
            bytes.extend(line(path, value)?);
        }
        atomic::write(path, &bytes, Flush::Now).map_err(DiskError::write(path))
    }

    /// Removes the first lines of a log that has more than `most`.
    pub fn keep_last(path: &Path, most: usize) -> Result<(), DiskError> {
        let bytes = read_bytes(path)?;
        let lines: Vec<&[u8]> = whole_lines(&bytes).collect();
        match lines.len().checked_sub(most) {
            None | Some(0) => Ok(()),
            Some(surplus) => {
                let kept: Vec<&[u8]> = lines.into_iter().skip(surplus).collect();
                atomic::write(path, &kept.concat(), Flush::Now).map_err(DiskError::write(path))
            }
        }
    }

    /// The values of a log; none if there is no such file.
    ///
    /// Lines at the end that cannot be read are left out, with a warning: a crash of the system may leave
    /// them. One before a line that can be read is an error.
    pub fn read<T: DeserializeOwned>(path: &Path) -> Result<Vec<T>, DiskError> {
        let bytes = read_bytes(path)?;
        let read = |line| serde_json::from_slice::<T>(line);
        let mut lines = whole_lines(&bytes).map(read);
        let mut values = Vec::new();
        let source = loop {
            match lines.next() {
                None => return Ok(values),
                Some(Ok(value)) => values.push(value),
                Some(Err(error)) => break error,
            }
        };
        let line = values.len() + 1;
        if lines.any(|value| value.is_ok()) {
            return Err(DiskError::DamagedLine {
                path: path.to_owned(),
                line,
                source,
            });
        }
        warn_of_damage(path, line, "the log is read up to it");
        Ok(values)
    }

    /// The values of a log up to the first line that cannot be read, with a warning if there is one: for
    /// values that are made again.
    pub fn read_whole_part<T: DeserializeOwned>(path: &Path) -> Result<Vec<T>, DiskError> {
        let bytes = read_bytes(path)?;
        let lines = whole_lines(&bytes).count();
        let read = |line| serde_json::from_slice::<T>(line).ok();
        let values: Vec<T> = whole_lines(&bytes).map_while(read).collect();
        if values.len() < lines {
            warn_of_damage(path, values.len() + 1, "what follows is made again");
        }
        Ok(values)
    }
}

/// Adds a value as a line at the end of a file that people edit as well, and returns once the disk
/// has it. A last line without a line break is a person's: it stays, and gets one.
pub fn append_json_line<T: Serialize + ?Sized>(path: &Path, value: &T) -> Result<(), DiskError> {
    let mut line = line(path, value)?;
    let bytes = read_bytes(path)?;
    if bytes.last().is_some_and(|last| *last != b'\n') {
        line.insert(0, b'\n');
    }
    let mut options = OpenOptions::new();
    options
        .create(true)
        .append(true)
        .open(path)
        .and_then(|mut file| {
            file.write_all(&line)?;
            file.sync_all()
        })
        .map_err(DiskError::write(path))
}

fn line<T: Serialize + ?Sized>(path: &Path, value: &T) -> Result<Vec<u8>, DiskError> {
    let mut line = serde_json::to_vec(value).map_err(DiskError::damaged(path))?;
    line.push(b'\n');
    Ok(line)
}

/// Runs `act` while no other process writes to the log.
fn locked<T>(file: &File, act: impl FnOnce(&File) -> io::Result<T>) -> io::Result<T> {
    // Some file systems have no locks; then several processes are at their own risk.
    let is_locked = file.lock().is_ok();
    let done = act(file);
    if is_locked {
        let _ = file.unlock();
    }
    done
}

/// Cuts off a last line that has no line break.
fn cut_torn_line(mut file: &File) -> io::Result<()> {
    // A device or a pipe has no torn line, and reading one may never end.
    if !file.metadata()?.is_file() {
        return Ok(());
    }
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    let whole = whole_lines(&bytes).map(<[u8]>::len).sum::<usize>();
    if whole == bytes.len() {
        return Ok(());
    }
    file.set_len(whole as u64)
}

/// The lines that end with a line break, with it.
fn whole_lines(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    bytes
        .split_inclusive(|byte| *byte == b'\n')
        .filter(|line| line.ends_with(b"\n"))
}

fn warn_of_damage(path: &Path, line: usize, what_follows: &str) {
    tracing::warn!(
        "line {line} of `{}` is damaged; {what_follows}",
        path.display()
    );
}

fn read_bytes(path: &Path) -> Result<Vec<u8>, DiskError> {
    match fs::read(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        read => read.map_err(DiskError::read(path)),
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Line {
        step: u64,
        loss: f64,
    }

    #[derive(Deserialize)]
    struct Step {
        step: u64,
    }

    fn line(step: u64) -> Line {
        Line { step, loss: 0.5 }
    }

    fn log() -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("metrics.jsonl");
        (folder, path)
    }

    fn read(path: &Path) -> Vec<Line> {
        JsonLines::read(path).unwrap()
    }

    #[test]
    fn lines_after_the_checkpoint_are_dropped_on_resuming() {
        let (_folder, path) = log();
        let mut lines = JsonLines::open(&path).unwrap();
        for step in 1..=5 {
            lines.append(&line(step)).unwrap();
        }

        let mut lines = JsonLines::resume(&path, |line: &Step| line.step <= 3).unwrap();
        lines.append(&line(4)).unwrap();

        assert_eq!(read(&path), [1, 2, 3, 4].map(line));
    }

    #[test]
    fn a_line_without_the_key_is_dropped_on_resuming() {
        let (_folder, path) = log();
        let whole = "{\"step\":1,\"loss\":0.5}\n";
        fs::write(&path, format!("{{\"loss\":1.0}}\nno JSON\n{whole}")).unwrap();

        JsonLines::resume(&path, |_: &Step| true).unwrap();

        assert_eq!(fs::read_to_string(&path).unwrap(), whole);
    }

    #[test]
    fn half_a_line_at_the_end_is_neither_read_nor_kept() {
        let (_folder, path) = log();
        let whole = "{\"step\":1,\"loss\":0.5}\n";
        let opened: [fn(&Path) -> JsonLines; 2] = [
            |path| JsonLines::open(path).unwrap(),
            |path| JsonLines::resume(path, |_: &Step| true).unwrap(),
        ];
        for open in opened {
            for cut in ["{", "{\"step\":2,\"loss\":0.", "{\"step\":2,\"loss\":0.5}"] {
                fs::write(&path, format!("{whole}{cut}")).unwrap();

                assert_eq!(read(&path), [line(1)], "{cut}");
                open(&path).append(&line(2)).unwrap();
                assert_eq!(read(&path), [1, 2].map(line), "{cut}");
            }
        }
    }

    #[test]
    fn junk_at_the_end_is_left_out_and_before_it_an_error_with_its_line() {
        let (_folder, path) = log();
        let whole = "{\"step\":1,\"loss\":0.5}\n";
        // No JSON, no UTF-8, zeros of a file system that has lost a block, JSON of another kind.
        for junk in ["x\n", "\u{1}\n", "\0\0\0\n", "{\"step\":\"a\"}\n"] {
            for junk in [
                junk.as_bytes().to_vec(),
                [b"\"\xff\"\n".as_slice(), junk.as_bytes()].concat(),
            ] {
                fs::write(&path, [whole.as_bytes(), &junk].concat()).unwrap();
                assert_eq!(read(&path), [line(1)]);

                fs::write(&path, [whole.as_bytes(), &junk, whole.as_bytes()].concat()).unwrap();
                let error = JsonLines::read::<Line>(&path).unwrap_err();
                let expected = format!("line 2 of `{}` is damaged", path.display());
                assert!(error.to_string().starts_with(&expected), "{error}");
                let part: Vec<Line> = JsonLines::read_whole_part(&path).unwrap();
                assert_eq!(part, [line(1)]);
            }
        }
    }

    #[test]
    fn several_may_append_to_one_log() {
        let (_folder, path) = log();
        let text = "x".repeat(10_000);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..20 {
                        JsonLines::open(&path).unwrap().append(&text).unwrap();
                    }
                });
            }
        });

        let read: Vec<String> = JsonLines::read(&path).unwrap();
        assert_eq!(read.len(), 80);
        assert!(read.iter().all(|line| *line == text));
    }

    #[test]
    fn a_bounded_log_keeps_its_last_lines() {
        let (_folder, path) = log();
        for step in 1..=5 {
            let mut lines = JsonLines::open(&path).unwrap();
            lines.append(&line(step)).unwrap();
            JsonLines::keep_last(&path, 3).unwrap();
        }

        assert_eq!(read(&path), [3, 4, 5].map(line));
    }

    #[test]
    fn a_full_disk_is_an_error_in_words() {
        let error = JsonLines::open(Path::new("/dev/full"))
            .unwrap()
            .append(&line(1))
            .unwrap_err();

        let cause = std::error::Error::source(&error).unwrap().to_string();
        assert!(cause.contains("No space left on device"), "{cause}");
    }

    #[test]
    fn a_line_that_a_person_wrote_without_a_break_stays() {
        let (_folder, path) = log();
        for (before, after) in [
            ("", "{\"step\":2,\"loss\":0.5}\n"),
            ("{}\n", "{}\n{\"step\":2,\"loss\":0.5}\n"),
            ("{}", "{}\n{\"step\":2,\"loss\":0.5}\n"),
        ] {
            fs::write(&path, before).unwrap();

            append_json_line(&path, &line(2)).unwrap();

            assert_eq!(fs::read_to_string(&path).unwrap(), after);
        }
    }
}
