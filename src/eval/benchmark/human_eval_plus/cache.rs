//! Outputs of canonical solutions on disk, so that they are computed once.
//!
//! A file is compressed: a line of JSON, and the messages that it describes. A cache that cannot be read or written
//! costs time, but is not an error.

use std::{
    fs,
    io::{self, BufRead as _, BufReader, Read as _, Write as _},
    path::{Path, PathBuf},
};

use flate2::{Compression, read::GzDecoder, write::GzEncoder};
use serde::{Deserialize, Serialize};

use super::reference::{Facts, Reference, References};
use crate::{
    data::Cache,
    digest::Digest,
    disk::atomic::{self, Flush},
    eval::benchmark::messages::Messages,
};

/// The line for a set of inputs, with the number of bytes of its messages.
#[derive(Serialize, Deserialize)]
struct Part {
    name: String,
    bytes: usize,
    facts: Facts,
}

/// What is known under a key.
pub(super) fn read(key: &Digest) -> Option<References> {
    read_file(&path(&folder(), key))
}

fn read_file(path: &Path) -> Option<References> {
    let file = fs::File::open(path).ok()?;
    let mut file = BufReader::new(GzDecoder::new(BufReader::new(file)));
    let mut line = String::new();
    file.read_line(&mut line).ok()?;
    let parts: Vec<Part> = serde_json::from_str(&line).ok()?;
    let mut references = References::new();
    for part in parts {
        let mut bytes = Vec::new();
        let limit = u64::try_from(part.bytes).ok()?;
        file.by_ref().take(limit).read_to_end(&mut bytes).ok()?;
        let outputs = Messages::of_bytes(bytes).filter(|all| all.bytes().len() == part.bytes)?;
        let facts = part.facts;
        references.insert(part.name, Reference { outputs, facts });
    }
    Some(references)
}

/// Keeps references under a key.
pub(super) fn write(key: &Digest, references: &References) {
    let folder = folder();
    if let Err(error) = write_file(&folder, key, references) {
        tracing::warn!(folder = %folder.display(), %error, "cannot cache expected outputs");
    }
}

fn write_file(folder: &Path, key: &Digest, references: &References) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    let parts = references.iter().map(|(name, reference)| Part {
        name: name.clone(),
        bytes: reference.outputs.bytes().len(),
        facts: reference.facts.clone(),
    });
    let mut file = GzEncoder::new(Vec::new(), Compression::fast());
    serde_json::to_writer(&mut file, &parts.collect::<Vec<_>>())?;
    file.write_all(b"\n")?;
    for reference in references.values() {
        file.write_all(reference.outputs.bytes())?;
    }
    atomic::write(&path(folder, key), &file.finish()?, Flush::Later)
}

/// A separate folder: `Cache` keeps downloads in folders that are named after their entries.
fn folder() -> PathBuf {
    Cache::from_environment().folder().join("expected_outputs")
}

fn path(folder: &Path, key: &Digest) -> PathBuf {
    folder.join(format!("{key}.gz"))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn what_is_written_is_read_and_what_is_cut_off_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let reference = |text: &[u8]| Reference {
            outputs: Messages::of_bytes(text.to_vec()).unwrap(),
            facts: Facts {
                seconds: vec![0.125],
                unequal: BTreeSet::from([3]),
                first_float: Some(7),
            },
        };
        let references = References::from([
            ("base".to_owned(), reference(b"V\x01\0\0\0\n")),
            ("plus".to_owned(), reference(b"V\x02\0\0\0abX\0\0\0\0")),
        ]);
        let key = Digest::of_bytes(b"key");

        write_file(folder.path(), &key, &references).unwrap();
        let file = path(folder.path(), &key);
        assert_eq!(read_file(&file).unwrap(), references);

        let whole = fs::read(&file).unwrap();
        for size in [0, 10, whole.len() / 2, whole.len() - 12] {
            fs::write(&file, &whole[..size]).unwrap();
            assert_eq!(read_file(&file), None, "{size}");
        }
    }
}
