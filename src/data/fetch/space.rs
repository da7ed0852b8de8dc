//! Checks that the disk has room for a download before it begins.

use std::{fs, path::Path};

use super::{error::FetchError, listing::Listing};
use crate::disk::folders::free_bytes;

/// Refuses a download into `folder` that the host announces as larger than what is free there.
///
/// Files without an announced size do not count; neither does what is there already.
pub(super) fn check(listing: &Listing, folder: &Path) -> Result<(), FetchError> {
    let missing = |(name, bytes): (&String, Option<u64>)| {
        let here = [name.clone(), format!("{name}.part")].map(|name| length(&folder.join(name)));
        bytes.unwrap_or(0).saturating_sub(here.iter().sum())
    };
    let announced = listing.files.iter();
    let needed = announced
        .map(|(name, file)| missing((name, file.bytes)))
        .fold(0, u64::saturating_add);
    // If the file system does not say, the download is tried: writing fails soon enough.
    let Some(free) = free_bytes(folder) else {
        return Ok(());
    };
    if needed > free {
        let folder = folder.to_path_buf();
        return Err(FetchError::NoRoom {
            folder,
            free,
            needed,
        });
    }
    Ok(())
}

fn length(path: &Path) -> u64 {
    fs::metadata(path).map_or(0, |found| found.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::fetch::listing::Announced;

    fn listing(sizes: &[(&str, u64)]) -> Listing {
        let file = |bytes| Announced {
            bytes: Some(bytes),
            sha256: None,
        };
        let files = sizes
            .iter()
            .map(|(name, bytes)| ((*name).to_owned(), file(*bytes)));
        Listing {
            commit: None,
            files: files.collect(),
        }
    }

    #[test]
    fn a_download_beyond_the_disk_is_refused_with_both_sizes() {
        let folder = tempfile::tempdir().unwrap();
        // No disk has 2^63 bytes; twice that is more than a number holds.
        let error = check(&listing(&[("a", 1 << 63), ("b", 1 << 63)]), folder.path());
        let Err(FetchError::NoRoom { needed, free, .. }) = error else {
            panic!("{error:?}");
        };
        assert!(needed == u64::MAX && free < 1 << 63);
    }

    #[test]
    fn what_is_there_already_needs_no_room() {
        let folder = tempfile::tempdir().unwrap();
        check(&listing(&[("a", 1)]), folder.path()).unwrap();
        // A sparse file: it has the length, and takes nothing.
        let part = fs::File::create(folder.path().join("a.part")).unwrap();
        part.set_len(1 << 42).unwrap();
        check(&listing(&[("a", (1 << 42) + 5)]), folder.path()).unwrap();
    }
}
