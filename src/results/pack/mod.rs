//! A pack: the results of an experiment in one archive, with the digest of each of its files.
//!
//! The first file of the archive is its manifest, which has nothing but names, sizes and digests. It fixes the length
//! and every byte of what follows, so that any changed byte is found, in it or after it. Its own digest stands for the
//! whole pack.

mod archive;

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::{self, BufReader, BufWriter, Read, Write},
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use super::Finding;
use crate::{
    digest::Digest,
    disk::{
        DiskError,
        atomic::{self, Flush},
    },
};

/// The name of the manifest.
const MANIFEST: &str = "manifest.json";
/// The form of packs that this version writes and reads.
const FORMAT: u32 = 1;
/// A manifest of more bytes is none: it has about a hundred for each file.
const LARGEST_MANIFEST: u64 = 256 << 20;
/// The longest name of a file.
const LONGEST_NAME: usize = 255;

/// What a pack has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// The form of the pack.
    format: u32,
    /// The files, by name.
    files: BTreeMap<String, Entry>,
}

/// A file of a pack.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    bytes: u64,
    digest: Digest,
}

/// Why there is no pack, or none that can be read.
#[derive(Debug, thiserror::Error)]
pub enum PackError {
    /// A name does not fit an archive.
    #[error("the name `{0}` is too long for an archive")]
    LongName(String),
    /// A name that would be a danger on another machine.
    #[error("`{0}` is no name of a file in a pack")]
    BadName(String),
    /// A file has changed while it was packed.
    #[error("`{}` has changed while it was packed; pack again when its job is done", .0.display())]
    Changed(PathBuf),
    /// The archive is not as this program writes it.
    #[error("it is no pack, or a damaged one: {0}")]
    Damaged(String),
    /// It is from a later version of the program.
    #[error("it is of form {0}, and this program reads form {FORMAT}")]
    Format(u32),
    /// The archive cannot be read.
    #[error("cannot read the archive")]
    Read(#[source] io::Error),
    /// The archive cannot be written.
    #[error("cannot write the archive")]
    Write(#[source] io::Error),
    /// A file cannot be read or written.
    #[error(transparent)]
    Disk(#[from] DiskError),
}

/// What goes into a pack, by name: files, and texts that are made for it.
#[derive(Debug, Default)]
pub struct Pack {
    contents: BTreeMap<String, Content>,
}

#[derive(Debug)]
enum Content {
    File(PathBuf),
    Text(String),
}

/// A pack that was read into a folder.
#[derive(Debug)]
pub struct Packed {
    /// Its manifest.
    pub manifest: Manifest,
    /// The digest of the manifest, which stands for the whole pack.
    pub digest: Digest,
    /// A finding for each file that is not what the manifest says, or one for all.
    pub findings: Vec<Finding>,
}

/// Whether a file begins as a pack does.
pub fn is_pack(path: &Path) -> bool {
    let mut start = [0; MANIFEST.len() + 1];
    let read = File::open(path).and_then(|mut file| file.read_exact(&mut start));
    read.is_ok() && start.strip_prefix(MANIFEST.as_bytes()) == Some(&[0])
}

impl Pack {
    /// Adds a text.
    pub fn add_text(&mut self, name: &str, text: String) -> Result<(), PackError> {
        self.add(name, Content::Text(text))
    }

    /// Adds a file, if it is there.
    pub fn add_file(&mut self, name: &str, path: &Path) -> Result<(), PackError> {
        if path.is_file() {
            self.add(name, Content::File(path.to_owned()))?;
        }
        Ok(())
    }

    /// Adds all files below a folder, if it is there; links are followed, as a digest of the folder does.
    pub fn add_folder(&mut self, name: &str, path: &Path) -> Result<(), PackError> {
        if !path.is_dir() {
            return Ok(());
        }
        for entry in walkdir::WalkDir::new(path).follow_links(true) {
            let entry = entry.map_err(|error| DiskError::read(path)(error.into()))?;
            let below = entry.path().strip_prefix(path).unwrap_or(entry.path());
            if entry.file_type().is_file() {
                let below = below.to_str().ok_or_else(|| {
                    PackError::BadName(entry.path().to_string_lossy().into_owned())
                })?;
                self.add_file(&format!("{name}/{below}"), entry.path())?;
            }
        }
        Ok(())
    }

    fn add(&mut self, name: &str, content: Content) -> Result<(), PackError> {
        check_name(name)?;
        self.contents.insert(name.to_owned(), content);
        Ok(())
    }

    /// The files that go into the pack.
    pub fn files(&self) -> impl Iterator<Item = &Path> {
        self.contents.values().filter_map(|content| match content {
            Content::File(path) => Some(path.as_path()),
            Content::Text(_) => None,
        })
    }

    /// Writes the archive, whole or not at all, and returns the digest of its manifest and its length.
    pub fn write(&self, path: &Path) -> Result<(Digest, u64), PackError> {
        let mut files = BTreeMap::new();
        for (name, content) in &self.contents {
            files.insert(name.clone(), content.entry()?);
        }
        let manifest = Manifest {
            format: FORMAT,
            files,
        };
        let text = manifest.text();
        let mut failed = None;
        let written = atomic::write_with(path, Flush::Now, |file| {
            let mut into = BufWriter::new(file);
            self.write_into(&manifest, &text, &mut into)
                .map_err(|error| {
                    failed = Some(error);
                    io::Error::other("no pack")
                })?;
            into.flush()
        });
        match (written, failed) {
            (_, Some(error)) => Err(error),
            (Err(error), None) => Err(DiskError::write(path)(error).into()),
            (Ok(()), None) => Ok((Digest::of_bytes(text.as_bytes()), manifest.length())),
        }
    }

    fn write_into(
        &self,
        manifest: &Manifest,
        text: &str,
        into: &mut dyn Write,
    ) -> Result<(), PackError> {
        archive::begin(into, MANIFEST, text.len() as u64)?;
        into.write_all(text.as_bytes()).map_err(PackError::Write)?;
        archive::pad(into, text.len() as u64).map_err(PackError::Write)?;
        for (name, content) in &self.contents {
            let Some(entry) = manifest.files.get(name) else {
                continue;
            };
            archive::begin(into, name, entry.bytes)?;
            content.copy(entry, into)?;
            archive::pad(into, entry.bytes).map_err(PackError::Write)?;
        }
        archive::end(into).map_err(PackError::Write)
    }
}

impl Content {
    fn entry(&self) -> Result<Entry, PackError> {
        let (bytes, digest) = match self {
            Self::Text(text) => (text.len() as u64, Digest::of_bytes(text.as_bytes())),
            Self::File(path) => {
                let file = fs::metadata(path).map_err(DiskError::read(path))?;
                let digest = Digest::of_file(path).map_err(DiskError::read(path))?;
                (file.len(), digest)
            }
        };
        Ok(Entry { bytes, digest })
    }

    fn copy(&self, entry: &Entry, into: &mut dyn Write) -> Result<(), PackError> {
        match self {
            Self::Text(text) => into.write_all(text.as_bytes()).map_err(PackError::Write),
            Self::File(path) => {
                let file = File::open(path).map_err(DiskError::read(path))?;
                let copied = copy(&mut BufReader::new(file), entry.bytes, into)?;
                if copied == Some(entry.digest.clone()) {
                    Ok(())
                } else {
                    Err(PackError::Changed(path.clone()))
                }
            }
        }
    }
}

/// Copies so many bytes and returns their digest; nothing if there are fewer.
fn copy(
    from: &mut dyn Read,
    bytes: u64,
    into: &mut dyn Write,
) -> Result<Option<Digest>, PackError> {
    let mut hashed = Digest::of_what_follows();
    let mut buffer = vec![0; 1 << 16];
    let mut left = bytes;
    while left > 0 {
        let most = usize::try_from(left)
            .unwrap_or(usize::MAX)
            .min(buffer.len());
        let Some(room) = buffer.get_mut(..most) else {
            break;
        };
        let count = match from.read(room) {
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(PackError::Read(error)),
        };
        let Some(read) = room.get(..count).filter(|read| !read.is_empty()) else {
            return Ok(None);
        };
        hashed.add(read);
        into.write_all(read).map_err(PackError::Write)?;
        left -= count as u64;
    }
    Ok(Some(hashed.digest()))
}

impl Manifest {
    /// The only text of this manifest.
    fn text(&self) -> String {
        let text = serde_json::to_string_pretty(self);
        text.expect("names, numbers and digests have a JSON form") + "\n"
    }

    /// The length of an archive with these files.
    fn length(&self) -> u64 {
        let files = self
            .files
            .values()
            .map(|entry| archive::length_of(entry.bytes));
        let own = archive::length_of(self.text().len() as u64) + archive::length_of_end();
        files.fold(own, u64::saturating_add)
    }

    /// The names of all files.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.files.keys().map(String::as_str)
    }
}

impl Packed {
    /// Reads a pack into an empty folder. Nothing is written outside of it, and no more bytes than the archive has.
    pub fn read(path: &Path, folder: &Path) -> Result<Self, PackError> {
        let file = File::open(path).map_err(PackError::Read)?;
        let length = file.metadata().map_err(PackError::Read)?.len();
        let mut from = BufReader::new(file);
        let (manifest, text) = read_manifest(&mut from, length)?;
        for name in manifest.names() {
            check_name(name)?;
        }
        if manifest.length() != length {
            return Err(PackError::Damaged(format!(
                "it has {length} bytes, and its manifest says {}",
                manifest.length()
            )));
        }
        let mut findings = Vec::new();
        for (name, entry) in &manifest.files {
            archive::expect(&mut from, name, entry.bytes)?;
            let target = folder.join(name);
            if let Some(parent) = target.parent() {
                fs::create_dir_all(parent).map_err(DiskError::write(parent))?;
            }
            let mut into = File::create_new(&target).map_err(DiskError::write(&target))?;
            let digest = copy(&mut from, entry.bytes, &mut into)?;
            if digest.as_ref() != Some(&entry.digest) {
                let what = format!("`{name}` is not the file that was packed");
                findings.push(Finding::differs("pack", what));
            }
            archive::expect_padding(&mut from, name, entry.bytes)?;
        }
        archive::expect_end(&mut from)?;
        if findings.is_empty() {
            let what = format!("{} files are those that were packed", manifest.files.len());
            findings.push(Finding::same("pack", what));
        }
        Ok(Self {
            digest: Digest::of_bytes(text.as_bytes()),
            manifest,
            findings,
        })
    }
}

/// Reads the manifest, whose size the archive's first header says.
fn read_manifest(from: &mut dyn Read, length: u64) -> Result<(Manifest, String), PackError> {
    let damaged = |what: &str| PackError::Damaged(what.to_owned());
    let mut header = [0; 512];
    from.read_exact(&mut header).map_err(PackError::Read)?;
    let digits = header.get(124..135).unwrap_or_default();
    let size = std::str::from_utf8(digits)
        .ok()
        .and_then(|digits| u64::from_str_radix(digits, 8).ok())
        .filter(|size| *size <= LARGEST_MANIFEST && *size <= length)
        .ok_or_else(|| damaged("its first file has no size that a manifest can have"))?;
    if header != archive::header(MANIFEST, size)? {
        return Err(damaged("its first file is no manifest"));
    }
    let mut text = String::new();
    let read = from.take(size).read_to_string(&mut text);
    if read.map_err(PackError::Read)? as u64 != size {
        return Err(damaged("it ends within its manifest"));
    }
    archive::expect_padding(from, MANIFEST, size)?;
    let format = |value: &serde_json::Value| value.get("format")?.as_u64();
    let value: serde_json::Value =
        serde_json::from_str(&text).map_err(|_| damaged("its manifest is no JSON"))?;
    match format(&value).and_then(|format| u32::try_from(format).ok()) {
        Some(FORMAT) => {}
        Some(other) => return Err(PackError::Format(other)),
        None => return Err(damaged("its manifest has no form")),
    }
    let manifest: Manifest = serde_json::from_value(value)
        .map_err(|error| PackError::Damaged(format!("its manifest is damaged: {error}")))?;
    // Another text of the same manifest would hide a changed byte.
    if manifest.text() != text {
        return Err(damaged("its manifest is not as this program writes it"));
    }
    Ok((manifest, text))
}

/// Names that are a path below a folder on every system, and nothing else.
fn check_name(name: &str) -> Result<(), PackError> {
    let is_plain = |letter: char| letter.is_ascii_alphanumeric() || "._-+=, @".contains(letter);
    let is_part = |part: &str| {
        !part.is_empty()
            && part != "."
            && part != ".."
            && !part.starts_with(' ')
            && !part.ends_with([' ', '.'])
            && part.chars().all(is_plain)
    };
    let is_name = name.len() <= LONGEST_NAME && name != MANIFEST && name.split('/').all(is_part);
    if is_name {
        Ok(())
    } else {
        Err(PackError::BadName(name.to_owned()))
    }
}

#[cfg(test)]
mod tests;
