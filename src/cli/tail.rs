//! Reading a file that grows.

use std::{
    fs::File,
    io::{self, Read as _, Seek as _, SeekFrom},
    os::unix::fs::MetadataExt as _,
    path::PathBuf,
};

/// A file that grows, and how much of it was read.
#[derive(Debug)]
pub(super) struct Tail {
    path: PathBuf,
    /// How many bytes before its end to start; at its beginning if none.
    most: Option<u64>,
    /// The inode of the file at the last read.
    inode: Option<u64>,
    offset: u64,
    /// The beginning of a line that is not complete yet.
    half: Vec<u8>,
    /// Whether the first line was cut off at its beginning, and must be skipped.
    is_cut: bool,
}

/// What was added to a file.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Added {
    /// Whole lines.
    pub(super) text: String,
    /// Whether the file was replaced or truncated, so that what was read before is void.
    pub(super) is_replaced: bool,
}

impl Tail {
    /// Reads a file from its beginning; the file need not exist yet.
    pub(super) fn new(path: PathBuf) -> Self {
        Self {
            path,
            most: None,
            inode: None,
            offset: 0,
            half: Vec::new(),
            is_cut: false,
        }
    }

    /// Reads a file from `most` bytes before its end.
    pub(super) fn near_end(path: PathBuf, most: u64) -> Self {
        Self {
            most: Some(most),
            ..Self::new(path)
        }
    }

    /// The whole lines that were added since the last call.
    pub(super) fn read_new(&mut self) -> io::Result<Added> {
        let mut file = match File::open(&self.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Added::default()),
            opened => opened?,
        };
        let metadata = file.metadata()?;
        let is_other = self.inode.is_some_and(|inode| inode != metadata.ino());
        let is_replaced = is_other || metadata.len() < self.offset;
        if is_replaced || self.inode.is_none() {
            self.offset = self
                .most
                .map_or(0, |most| metadata.len().saturating_sub(most));
            self.is_cut = self.offset > 0;
            self.half.clear();
        }
        self.inode = Some(metadata.ino());
        file.seek(SeekFrom::Start(self.offset))?;
        let read = file.read_to_end(&mut self.half)?;
        self.offset += read as u64;
        Ok(Added {
            text: self.whole_lines(),
            is_replaced,
        })
    }

    /// The last line, if it has no line break; called when the file no longer grows.
    pub(super) fn rest(&mut self) -> String {
        String::from_utf8_lossy(&std::mem::take(&mut self.half)).into_owned()
    }

    /// Removes the whole lines from what was read, and returns them.
    fn whole_lines(&mut self) -> String {
        let is_end = |byte: &u8| *byte == b'\n';
        if self.is_cut {
            let Some(end) = self.half.iter().position(is_end) else {
                return String::new();
            };
            self.half.drain(..=end);
            self.is_cut = false;
        }
        let length = self.half.iter().rposition(is_end).map_or(0, |end| end + 1);
        let lines: Vec<u8> = self.half.drain(..length).collect();
        String::from_utf8_lossy(&lines).into_owned()
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, io::Write as _};

    use super::*;

    fn file(text: &str) -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        fs::write(&path, text).unwrap();
        (folder, path)
    }

    fn add(path: &PathBuf, text: &str) {
        let mut file = fs::OpenOptions::new().append(true).open(path).unwrap();
        file.write_all(text.as_bytes()).unwrap();
    }

    fn added(text: &str) -> Added {
        Added {
            text: text.into(),
            is_replaced: false,
        }
    }

    #[test]
    fn a_line_is_read_once_and_only_when_it_is_whole() {
        let (_folder, path) = file("one\ntw");
        let mut tail = Tail::new(path.clone());

        assert_eq!(tail.read_new().unwrap(), added("one\n"));
        assert_eq!(tail.read_new().unwrap(), added(""));
        add(&path, "o\nthree");
        assert_eq!(tail.read_new().unwrap(), added("two\n"));
        assert_eq!(tail.rest(), "three");
        assert_eq!(tail.rest(), "");
    }

    #[test]
    fn a_file_may_be_created_later() {
        let (folder, path) = file("");
        fs::remove_file(&path).unwrap();
        let mut tail = Tail::new(path.clone());

        assert_eq!(tail.read_new().unwrap(), added(""));
        fs::write(folder.path().join("log"), "one\n").unwrap();
        assert_eq!(tail.read_new().unwrap(), added("one\n"));
    }

    #[test]
    fn a_file_that_is_replaced_or_truncated_is_read_again() {
        let (folder, path) = file("one\ntwo\nth");
        let mut tail = Tail::new(path.clone());
        tail.read_new().unwrap();

        // Longer than what was read, as the file of a resumed job may be.
        let other = folder.path().join("other");
        fs::write(&other, "one\n2\nthree\nfour\n").unwrap();
        fs::rename(other, &path).unwrap();
        let added = tail.read_new().unwrap();
        assert_eq!(
            (&*added.text, added.is_replaced),
            ("one\n2\nthree\nfour\n", true)
        );

        fs::write(&path, "one\n").unwrap();
        let added = tail.read_new().unwrap();
        assert_eq!((&*added.text, added.is_replaced), ("one\n", true));
    }

    #[test]
    fn the_end_of_a_long_file_begins_with_a_whole_line() {
        let (_folder, path) = file("one\ntwo\nthree\n");
        let mut tail = Tail::near_end(path.clone(), 8);

        assert_eq!(tail.read_new().unwrap(), added("three\n"));
        add(&path, "four\n");
        assert_eq!(tail.read_new().unwrap(), added("four\n"));
        assert_eq!(
            Tail::near_end(path, 99).read_new().unwrap().text,
            "one\ntwo\nthree\nfour\n"
        );
    }
}
