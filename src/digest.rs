//! Content hashes of values, files and folders.

use std::{fmt, fs, io, os::unix::fs::MetadataExt as _, path::Path};

use serde::{Deserialize, Serialize};

/// The BLAKE3 hash of some content, as 64 hexadecimal digits.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Digest(String);

impl Digest {
    /// The hash of `bytes`.
    pub fn of_bytes(bytes: &[u8]) -> Self {
        Self(blake3::hash(bytes).to_hex().to_string())
    }

    /// The hash of a value's JSON, with the keys of every object in order.
    ///
    /// # Panics
    ///
    /// If `value` has no JSON form (a map with keys that are not strings), which is a bug of the caller.
    pub fn of_json<T: Serialize + ?Sized>(value: &T) -> Self {
        // `serde_json::Value` keeps its objects sorted by key.
        let value = serde_json::to_value(value).expect("the value has a JSON form");
        Self::of_bytes(value.to_string().as_bytes())
    }

    /// The hash of a file's bytes.
    pub fn of_file(path: &Path) -> io::Result<Self> {
        let mut hasher = blake3::Hasher::new();
        hasher.update_reader(fs::File::open(path)?)?;
        Ok(Self(hasher.finalize().to_hex().to_string()))
    }

    /// A hash of bytes that come in pieces.
    pub fn of_what_follows() -> Pieces {
        Pieces(blake3::Hasher::new())
    }

    /// The hash of the names and bytes of all files below a folder, in the order of their names.
    pub fn of_folder(path: &Path) -> io::Result<Self> {
        let mut hasher = blake3::Hasher::new();
        for entry in walkdir::WalkDir::new(path)
            .follow_links(true)
            .sort_by_file_name()
        {
            let entry = entry?;
            if entry.file_type().is_file() {
                let name = entry.path().strip_prefix(path).unwrap_or(entry.path());
                hasher.update(name.to_string_lossy().as_bytes());
                hasher.update(b"\0");
                hasher.update(Self::of_file(entry.path())?.0.as_bytes());
            }
        }
        Ok(Self(hasher.finalize().to_hex().to_string()))
    }

    /// A hash of the names, sizes and times of all files below a folder: it differs after a change that goes
    /// through the system, and costs no reading. What it does not see is a change below the system,
    /// such as a disk that loses bits.
    pub fn stamp_of_folder(path: &Path) -> io::Result<Self> {
        let mut hasher = blake3::Hasher::new();
        for entry in walkdir::WalkDir::new(path)
            .follow_links(true)
            .sort_by_file_name()
        {
            let entry = entry?;
            if entry.file_type().is_file() {
                let name = entry.path().strip_prefix(path).unwrap_or(entry.path());
                let file = entry.metadata()?;
                // A program can set the time of a change of content, and not that of a change of the file.
                let numbers = [
                    file.mtime(),
                    file.mtime_nsec(),
                    file.ctime(),
                    file.ctime_nsec(),
                ];
                hasher.update(name.to_string_lossy().as_bytes());
                hasher.update(b"\0");
                hasher.update(&file.len().to_le_bytes());
                hasher.update(&file.ino().to_le_bytes());
                for number in numbers {
                    hasher.update(&number.to_le_bytes());
                }
            }
        }
        Ok(Self(hasher.finalize().to_hex().to_string()))
    }

    /// The first eight digits: enough to distinguish the jobs of a results folder.
    pub fn short(&self) -> &str {
        self.0.get(..8).unwrap_or(&self.0)
    }

    /// All digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A hash of bytes that come in pieces.
#[derive(Debug)]
pub struct Pieces(blake3::Hasher);

impl Pieces {
    /// Adds a piece.
    pub fn add(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// The hash of all pieces so far.
    pub fn digest(&self) -> Digest {
        Digest(self.0.finalize().to_hex().to_string())
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    #[test]
    fn bytes_have_the_published_hash() {
        // Oracle: the first test vector of the BLAKE3 specification (empty input).
        assert_eq!(
            Digest::of_bytes(b"").as_str(),
            "af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262"
        );
    }

    #[test]
    fn the_order_of_keys_does_not_matter_and_values_do() {
        let one = HashMap::from([("a", 1), ("b", 2), ("c", 3)]);
        let two: HashMap<_, _> = [("c", 3), ("b", 2), ("a", 1)].into();

        assert_eq!(Digest::of_json(&one), Digest::of_json(&two));
        assert_ne!(
            Digest::of_json(&one),
            Digest::of_json(&HashMap::from([("a", 1)]))
        );
    }

    #[test]
    fn a_folder_is_its_names_and_its_bytes() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("a"), "1").unwrap();
        let before = Digest::of_folder(folder.path()).unwrap();
        assert_eq!(before, Digest::of_folder(folder.path()).unwrap());

        fs::rename(folder.path().join("a"), folder.path().join("b")).unwrap();
        let renamed = Digest::of_folder(folder.path()).unwrap();
        fs::write(folder.path().join("b"), "2").unwrap();
        let changed = Digest::of_folder(folder.path()).unwrap();

        assert_ne!(before, renamed);
        assert_ne!(renamed, changed);
    }

    #[test]
    fn a_stamp_changes_with_a_file_whose_size_and_time_stay() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        fs::write(&path, "1").unwrap();
        let before = Digest::stamp_of_folder(folder.path()).unwrap();
        assert_eq!(before, Digest::stamp_of_folder(folder.path()).unwrap());

        let time = fs::metadata(&path).unwrap().modified().unwrap();
        // The clock of a file system moves in steps of a few milliseconds.
        std::thread::sleep(std::time::Duration::from_millis(20));
        fs::write(&path, "2").unwrap();
        fs::File::options()
            .write(true)
            .open(&path)
            .unwrap()
            .set_modified(time)
            .unwrap();

        assert_ne!(before, Digest::stamp_of_folder(folder.path()).unwrap());
    }
}
