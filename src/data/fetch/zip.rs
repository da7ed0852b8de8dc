//! One file out of a ZIP archive, such as a wheel of Python packages.
//!
//! The crate `zip` does much more: it writes, encrypts, and reads kinds of compression that wheels do not have.
//! What is needed of the format is one page long.

use std::{
    fs::File,
    io::{self, Read as _, Seek as _, SeekFrom, Write as _},
    path::Path,
};

use flate2::{CrcReader, read::DeflateDecoder};

/// The end of an archive, without its comment.
const END: usize = 22;
/// The longest comment.
const COMMENT: usize = 65_535;
/// The part of an entry of the directory that precedes its name.
const ENTRY: usize = 46;
/// The part of the header of a file that precedes its name.
const HEADER: usize = 30;
/// The largest directory.
const LARGEST: u32 = 1 << 26;

/// Writes the bytes of the file `name` of an archive to `target`.
pub(super) fn extract(archive: &Path, name: &str, target: &Path) -> io::Result<()> {
    let mut file = File::open(archive)?;
    let entry = find(&mut file, name)?;
    let mut header = [0; HEADER];
    file.seek(SeekFrom::Start(entry.offset.into()))?;
    file.read_exact(&mut header)?;
    if !header.starts_with(b"PK\x03\x04") {
        return Err(damaged("a file is not where the directory says"));
    }
    let skipped = i64::from(u16_at(&header, 26)) + i64::from(u16_at(&header, 28));
    file.seek(SeekFrom::Current(skipped))?;
    let packed = file.take(entry.packed.into());
    match entry.method {
        0 => copy(packed, &entry, target),
        8 => copy(DeflateDecoder::new(packed), &entry, target),
        other => Err(damaged(&format!(
            "method {other} of compression, expected 0 or 8"
        ))),
    }
}

/// What the directory of an archive says about a file.
struct Entry {
    method: u16,
    crc: u32,
    packed: u32,
    size: u32,
    offset: u32,
}

/// Writes the bytes of a file, and compares their number and their sum.
fn copy(bytes: impl io::Read, entry: &Entry, target: &Path) -> io::Result<()> {
    let mut bytes = CrcReader::new(bytes);
    let mut output = File::create(target)?;
    // One byte more than there may be shows that there are too many.
    let most = u64::from(entry.size) + 1;
    let written = io::copy(&mut bytes.by_ref().take(most), &mut output)?;
    output.flush()?;
    if written != u64::from(entry.size) || bytes.crc().sum() != entry.crc {
        return Err(damaged("a file has other bytes than the directory says"));
    }
    Ok(())
}

fn find(file: &mut File, name: &str) -> io::Result<Entry> {
    let length = file.metadata()?.len();
    let tail = length.min((END + COMMENT) as u64);
    file.seek(SeekFrom::Start(length - tail))?;
    let mut end = Vec::new();
    io::Read::by_ref(file).take(tail).read_to_end(&mut end)?;
    let mut places = (0..end.len().saturating_sub(END - 1)).rev();
    let place = places.find(|place| end[*place..].starts_with(b"PK\x05\x06"));
    let Some(place) = place else {
        return Err(damaged("it has no directory"));
    };
    let end = &end[place..];
    let (size, offset) = (u32_at(end, 12), u32_at(end, 16));
    if size > LARGEST || offset == u32::MAX {
        return Err(damaged("it, or its directory, is too large"));
    }
    file.seek(SeekFrom::Start(offset.into()))?;
    let mut directory = Vec::new();
    io::Read::by_ref(file)
        .take(size.into())
        .read_to_end(&mut directory)?;
    let mut rest = directory.as_slice();
    while let Some((entry, after)) = rest.split_at_checked(ENTRY) {
        if !entry.starts_with(b"PK\x01\x02") {
            break;
        }
        let widths = [28, 30, 32].map(|at| usize::from(u16_at(entry, at)));
        let all: usize = widths.iter().sum();
        let Some((texts, next)) = after.split_at_checked(all) else {
            break;
        };
        if texts[..widths[0]] == *name.as_bytes() {
            return Ok(Entry {
                method: u16_at(entry, 10),
                crc: u32_at(entry, 16),
                packed: u32_at(entry, 20),
                size: u32_at(entry, 24),
                offset: u32_at(entry, 42),
            });
        }
        rest = next;
    }
    Err(damaged("it has no such file"))
}

fn u16_at(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes([bytes[at], bytes[at + 1]])
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from(u16_at(bytes, at)) | u32::from(u16_at(bytes, at + 2)) << 16
}

fn damaged(problem: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, problem.to_owned())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::fuzz::{fuzz, law};

    /// Made by Python's `zipfile`: `a.txt` is stored, `d/b.gguf` deflated.
    const ARCHIVE: &[u8] = include_bytes!("../../../tests/integration/packed-1.whl");

    fn extracted(bytes: &[u8], name: &str) -> io::Result<Vec<u8>> {
        let folder = tempfile::tempdir().unwrap();
        let archive = folder.path().join("a.zip");
        fs::write(&archive, bytes).unwrap();
        let target = folder.path().join("out");
        extract(&archive, name, &target)?;
        fs::read(&target)
    }

    #[test]
    fn files_have_the_bytes_that_were_packed() {
        assert_eq!(extracted(ARCHIVE, "a.txt").unwrap(), b"plain");
        assert_eq!(extracted(ARCHIVE, "d/b.gguf").unwrap(), b"abc".repeat(100));
        let error = extracted(ARCHIVE, "b.txt").unwrap_err();
        assert_eq!(error.to_string(), "it has no such file");
        assert!(extracted(&ARCHIVE[..ARCHIVE.len() - 30], "a.txt").is_err());
    }

    #[test]
    fn changed_bytes_are_noticed() {
        let place = ARCHIVE
            .windows(5)
            .position(|part| part == b"plain")
            .unwrap();
        let mut changed = ARCHIVE.to_vec();
        changed[place] ^= 1;
        let error = extracted(&changed, "a.txt").unwrap_err();
        assert_eq!(
            error.to_string(),
            "a file has other bytes than the directory says"
        );
    }

    #[test]
    fn archives_are_read_or_refused() {
        fuzz(20, &[ARCHIVE], |case| {
            let archive = case.file("a.zip");
            let target = case.folder.join("out");
            for name in ["a.txt", "d/b.gguf"] {
                if extract(&archive, name, &target).is_ok() {
                    let bytes = fs::read(&target).map_err(|error| error.to_string())?;
                    law(bytes.len() < 1 << 20, "no file is larger than it says")?;
                }
            }
            Ok(())
        });
    }
}
