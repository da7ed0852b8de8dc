//! The one form of an archive that packs have: tar (ustar) with regular files only, without times, owners and modes.
//!
//! There is one header for a name and a size, and a reader refuses every other one. So equal files give equal
//! bytes, and each byte of an archive is either that of a file or known in advance.

use std::io::{self, Read, Write};

use super::PackError;

/// The unit of tar.
pub(super) const BLOCK: u64 = 512;
/// An archive ends with so many empty blocks.
const END_BLOCKS: u64 = 2;

const HEADER: usize = 512;
/// The longest name, and the longest folder before it.
const NAME: usize = 100;
const PREFIX: usize = 155;
/// Larger sizes than 11 octal digits can say are in binary, as GNU tar has them.
const LARGEST_OCTAL: u64 = 0o777_7777_7777;

/// The bytes that a file takes in an archive.
pub(super) fn length_of(size: u64) -> u64 {
    // Sizes are those that an archive of somebody else says.
    let blocks = size.div_ceil(BLOCK).saturating_mul(BLOCK);
    blocks.saturating_add(BLOCK)
}

/// The bytes at the end of an archive.
pub(super) fn length_of_end() -> u64 {
    BLOCK * END_BLOCKS
}

/// The header of a file.
pub(super) fn header(name: &str, size: u64) -> Result<[u8; HEADER], PackError> {
    let (prefix, name) = split(name)?;
    let mut header = [0_u8; HEADER];
    let mut put = |at: usize, bytes: &[u8]| {
        if let Some(field) = header.get_mut(at..at + bytes.len()) {
            field.copy_from_slice(bytes);
        }
    };
    put(0, name.as_bytes());
    put(100, b"0000644\0");
    put(108, b"0000000\0");
    put(116, b"0000000\0");
    if size <= LARGEST_OCTAL {
        put(124, format!("{size:011o}\0").as_bytes());
    } else {
        put(124, &[0x80, 0, 0, 0]);
        put(128, &size.to_be_bytes());
    }
    put(136, b"00000000000\0");
    // The sum is taken over a header with spaces in its place.
    put(148, b"        ");
    put(156, b"0");
    put(257, b"ustar\x0000");
    put(345, prefix.as_bytes());
    let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
    if let Some(field) = header.get_mut(148..156) {
        field.copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    }
    Ok(header)
}

/// A long name as a folder and the rest.
fn split(name: &str) -> Result<(&str, &str), PackError> {
    if name.len() <= NAME {
        return Ok(("", name));
    }
    let fits = |(prefix, rest): &(&str, &str)| prefix.len() <= PREFIX && rest.len() <= NAME;
    let slashes = name.match_indices('/');
    let parts = slashes.filter_map(|(place, _)| Some((name.get(..place)?, name.get(place + 1..)?)));
    let mut fitting = parts.filter(fits);
    fitting
        .next()
        .ok_or_else(|| PackError::LongName(name.to_owned()))
}

/// Writes the header of a file; its bytes and [`pad`] follow.
pub(super) fn begin(into: &mut dyn Write, name: &str, size: u64) -> Result<(), PackError> {
    let header = header(name, size)?;
    into.write_all(&header).map_err(PackError::Write)
}

/// Writes what is between the end of a file and the next header.
pub(super) fn pad(into: &mut dyn Write, size: u64) -> io::Result<()> {
    into.write_all(&vec![0; padding(size)])
}

/// Writes the end of an archive.
pub(super) fn end(into: &mut dyn Write) -> io::Result<()> {
    into.write_all(&vec![0; usize::try_from(length_of_end()).unwrap_or(0)])
}

/// Reads a header, which must be that of this file.
pub(super) fn expect(from: &mut dyn Read, name: &str, size: u64) -> Result<(), PackError> {
    let mut found = [0_u8; HEADER];
    from.read_exact(&mut found).map_err(PackError::Read)?;
    if found == header(name, size)? {
        Ok(())
    } else {
        Err(PackError::Damaged(format!(
            "what is in the place of the header of `{name}` is another one"
        )))
    }
}

/// Reads what must be between the end of a file and the next header.
pub(super) fn expect_padding(from: &mut dyn Read, name: &str, size: u64) -> Result<(), PackError> {
    expect_empty(from, padding(size), &format!("after `{name}`"))
}

/// Reads the end of an archive, after which there must be nothing.
pub(super) fn expect_end(from: &mut dyn Read) -> Result<(), PackError> {
    let length = usize::try_from(length_of_end()).unwrap_or(0);
    expect_empty(from, length, "at its end")
}

fn expect_empty(from: &mut dyn Read, length: usize, place: &str) -> Result<(), PackError> {
    let mut found = vec![0; length];
    from.read_exact(&mut found).map_err(PackError::Read)?;
    if found.iter().all(|byte| *byte == 0) {
        Ok(())
    } else {
        Err(PackError::Damaged(format!(
            "it has bytes {place} that are not empty"
        )))
    }
}

fn padding(size: u64) -> usize {
    let over = size % BLOCK;
    usize::try_from((BLOCK - over) % BLOCK).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Oracle: Python 3.11's `tarfile.TarInfo(name).tobuf(tarfile.USTAR_FORMAT)` with size 5, mode 0o644: the digest
    /// of the 512 bytes.
    #[test]
    fn a_header_is_that_of_ustar() {
        let header = header("jobs/eval-1/outcome.json", 5).unwrap();
        let found = crate::digest::Digest::of_bytes(&header);
        assert_eq!(
            found.as_str(),
            "2bf253008c2ab9be766d807d92ad64dac5cbd829368a591917b578876814a7ca"
        );
    }

    #[test]
    fn a_long_name_is_split_and_one_that_is_too_long_refused() {
        let long = format!("jobs/{}/{}", "a".repeat(90), "b".repeat(90));
        assert_eq!(split(&long).unwrap().1, "b".repeat(90));
        assert!(matches!(
            split(&"a".repeat(101)),
            Err(PackError::LongName(_))
        ));
        let deep = format!("{}/b", "a".repeat(160));
        assert!(matches!(split(&deep), Err(PackError::LongName(_))));
    }

    #[test]
    fn the_length_of_a_size_that_no_file_has_is_the_longest_one() {
        assert_eq!(length_of(0), 512);
        assert_eq!(length_of(513), 1536);
        assert_eq!(length_of(u64::MAX), u64::MAX);
    }

    #[test]
    fn a_size_of_more_than_eight_gibibytes_is_in_binary() {
        let header = header("a", 1 << 40).unwrap();
        assert_eq!(header[124..136], [0x80, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0]);
    }
}
