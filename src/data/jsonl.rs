//! JSON lines, plain or compressed with gzip.

use std::{
    collections::BTreeMap,
    fs::File,
    io::{self, Read as _},
    path::Path,
};

use flate2::read::MultiGzDecoder;
use serde::de::DeserializeOwned;

use super::{
    error::{BadLine, BadLines, DataError},
    odd_json::{first_non_finite, from_python_json},
};

/// The character U+FEFF, with which some editors begin a text.
const MARK: &[u8] = "\u{feff}".as_bytes();

/// The most bytes of an archive that are unpacked: the largest files of rows have a tenth of that.
const MOST_UNPACKED: u64 = 4 << 30;

/// Reads a file with one JSON value of type `T` a line; blank lines are skipped.
///
/// Gzip is recognised by its first bytes, not by the file's name.
pub fn read_json_lines<T: DeserializeOwned>(path: &Path) -> Result<Vec<T>, DataError> {
    read_json_lines_with(path, |line| {
        serde_json::from_str(line)
            .map(|row| vec![row])
            .map_err(|error| row_reason(line, &error))
    })
}

/// Reads a file with one JSON value, which Python may have written, plain or compressed.
pub fn read_json_value(path: &Path) -> Result<serde_json::Value, DataError> {
    let bad = |number: usize, reason: String| DataError::BadLines {
        path: path.to_path_buf(),
        lines: BadLines(vec![BadLine { number, reason }]),
    };
    let bytes = read_unpacked(path)?;
    let text = str::from_utf8(&bytes).map_err(|error| {
        let before = String::from_utf8_lossy(&bytes[..error.valid_up_to()]);
        bad(
            before.matches('\n').count() + 1,
            "it is not UTF-8".to_owned(),
        )
    })?;
    from_python_json(text).map_err(|error| bad(error.line(), json_reason(&error)))
}

/// Reads a file that has some rows in each line, and reports all lines that `parse` refuses.
pub fn read_json_lines_with<T>(
    path: &Path,
    parse: impl Fn(&str) -> Result<Vec<T>, String>,
) -> Result<Vec<T>, DataError> {
    let (rows, bad) = good_and_bad_lines(&read_unpacked(path)?, parse);
    if !bad.0.is_empty() {
        return Err(DataError::BadLines {
            path: path.to_path_buf(),
            lines: bad,
        });
    }
    if rows.is_empty() {
        return Err(DataError::NoRows {
            path: path.to_path_buf(),
        });
    }
    Ok(rows)
}

/// The rows of the lines that `parse` takes, and what is wrong with the others. Blank lines are skipped,
/// and so is the mark with which some editors begin a text.
pub fn good_and_bad_lines<T>(
    bytes: &[u8],
    parse: impl Fn(&str) -> Result<Vec<T>, String>,
) -> (Vec<T>, BadLines) {
    let mut rows = Vec::new();
    let mut bad = Vec::new();
    for (index, line) in bytes.split(|byte| *byte == b'\n').enumerate() {
        let text = str::from_utf8(line).map_err(|error| {
            let column = error.valid_up_to() + 1;
            format!("it is not UTF-8 at byte {column}")
        });
        let text = text.map(|text| text.trim_start_matches('\u{feff}').trim_end_matches('\r'));
        let parsed = match text {
            Ok(text) if text.trim().is_empty() => continue,
            Ok(text) => parse(text),
            Err(reason) => Err(reason),
        };
        match parsed {
            Ok(parsed) => rows.extend(parsed),
            Err(reason) => bad.push(BadLine {
                number: index + 1,
                reason,
            }),
        }
    }
    (rows, BadLines(bad))
}

/// What is wrong with a row: a number that is no JSON, which Python writes, by its name.
pub(super) fn row_reason(line: &str, error: &serde_json::Error) -> String {
    match first_non_finite(line) {
        Some((column, name)) if error.is_syntax() => {
            format!("`{name}` at column {column} is no number of JSON")
        }
        _ => json_reason(error),
    }
}

/// What is wrong with a line's JSON, by its column: the line is known already.
pub(super) fn json_reason(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let place = format!(" at line {} column {}", error.line(), error.column());
    match text.strip_suffix(&place) {
        Some(reason) => format!("{reason} at column {}", error.column()),
        None => text,
    }
}

/// Refuses a list of rows in which two have the same `name`.
pub(super) fn refuse_duplicates<'a>(
    path: &Path,
    names: impl Iterator<Item = &'a str>,
) -> Result<(), DataError> {
    let mut first = BTreeMap::new();
    let mut bad = Vec::new();
    for (index, name) in names.enumerate() {
        if let Some(earlier) = first.insert(name, index + 1) {
            let reason = format!("task `{name}` is the same as task number {earlier}");
            bad.push(BadLine {
                number: index + 1,
                reason,
            });
        }
    }
    if bad.is_empty() {
        Ok(())
    } else {
        Err(DataError::BadLines {
            path: path.to_path_buf(),
            lines: BadLines(bad),
        })
    }
}

/// The bytes of a file without a mark of their order at the beginning; gzip is unpacked.
pub fn read_unpacked(path: &Path) -> Result<Vec<u8>, DataError> {
    let read = || unpacked(File::open(path)?);
    read().map_err(|source| DataError::Read {
        path: path.to_path_buf(),
        source,
    })
}

/// All that a source gives, unpacked if its first bytes are those of gzip. A pipe is read once.
///
/// A megabyte of gzip can stand for a gigabyte, so that an archive of more than 4 GiB is refused.
pub fn unpacked(source: impl io::Read) -> io::Result<Vec<u8>> {
    unpacked_up_to(source, MOST_UNPACKED)
}

fn unpacked_up_to(mut source: impl io::Read, most: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    source.read_to_end(&mut bytes)?;
    if bytes.starts_with(&[0x1f, 0x8b]) {
        let packed = std::mem::take(&mut bytes);
        let decoder = MultiGzDecoder::new(packed.as_slice());
        decoder.take(most + 1).read_to_end(&mut bytes)?;
        if bytes.len() as u64 > most {
            let reason = format!("the archive holds more than {most} bytes; unpack it by hand");
            return Err(io::Error::new(io::ErrorKind::FileTooLarge, reason));
        }
    }
    if bytes.starts_with(MARK) {
        bytes.drain(..MARK.len());
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use std::{fs, io::Write as _};

    use flate2::{Compression, write::GzEncoder};

    use super::*;

    fn file(bytes: &[u8]) -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), bytes).unwrap();
        file
    }

    #[test]
    fn plain_and_compressed_files_give_the_same_rows() {
        let text = b"[1, 2]\n\n[3]\n";
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(text).unwrap();
        let packed = file(&encoder.finish().unwrap());

        let rows: Vec<Vec<u8>> = read_json_lines(packed.path()).unwrap();

        assert_eq!(rows, [vec![1, 2], vec![3]]);
        assert_eq!(rows, read_json_lines::<Vec<u8>>(file(text).path()).unwrap());
    }

    #[test]
    fn all_bad_lines_are_named_at_once_by_their_number_in_the_file() {
        let file = file(b"1\n\nx\n2\n\"a\"\n");

        let error = read_json_lines::<u8>(file.path()).unwrap_err();

        let DataError::BadLines { lines, .. } = error else {
            panic!("{error}")
        };
        assert_eq!(
            lines.to_string(),
            "2 bad lines: line 3: expected value at column 1; \
             line 5: invalid type: string \"a\", expected u8 at column 3"
        );
    }

    #[test]
    fn an_archive_is_unpacked_up_to_a_limit() {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(&[b'a'; 1000]).unwrap();
        let packed = encoder.finish().unwrap();

        let unpacked = |most| unpacked_up_to(packed.as_slice(), most);

        assert_eq!(unpacked(1000).unwrap(), [b'a'; 1000]);
        let error = unpacked(999).unwrap_err().to_string();
        assert!(error.contains("more than 999 bytes"), "{error}");
    }

    #[test]
    fn a_number_that_is_not_finite_is_refused_by_its_name_and_line() {
        for (line, reason) in [
            (
                "{\"a\": NaN}",
                "line 2: `NaN` at column 7 is no number of JSON",
            ),
            (
                "[1, -Infinity]",
                "line 2: `-Infinity` at column 5 is no number of JSON",
            ),
            (
                "[\"NaN\", Infinity]",
                "line 2: `Infinity` at column 9 is no number of JSON",
            ),
            ("[1e999]", "line 2: number out of range at column 6"),
            ("[\"NaN\", x]", "line 2: expected value at column 9"),
        ] {
            let file = file(format!("1\n{line}\n").as_bytes());
            let error = read_json_lines::<serde_json::Value>(file.path()).unwrap_err();
            assert!(error.to_string().ends_with(reason), "{error}");
        }
    }

    #[test]
    fn a_value_that_python_wrote_is_read_whole() {
        let value = read_json_value(file(b"{\"a\": [1e400, NaN],\n \"b\": 1}\n").path()).unwrap();
        assert_eq!(value, serde_json::json!({"a": [null, null], "b": 1}));

        let error = read_json_value(file(b"{\"a\":\n \xff}").path()).unwrap_err();
        assert!(
            error.to_string().ends_with("line 2: it is not UTF-8"),
            "{error}"
        );
    }

    #[test]
    fn the_mark_at_the_beginning_of_a_text_is_skipped() {
        let text = b"\xef\xbb\xbf[1, 2]\r\n\xef\xbb\xbf[3]";

        let rows: Vec<Vec<u8>> = read_json_lines(file(text).path()).unwrap();

        assert_eq!(rows, [vec![1, 2], vec![3]]);
        assert!(read_json_value(file(b"\xef\xbb\xbf[1]").path()).is_ok());
    }

    #[test]
    fn a_line_that_is_not_utf_8_spoils_no_other() {
        let parse = |line: &str| Ok(vec![line.to_owned()]);

        let (rows, bad) = good_and_bad_lines(b"a\n\xed\xa0\x80\nb\n", parse);

        assert_eq!(rows, ["a", "b"]);
        assert_eq!(
            bad.to_string(),
            "1 bad line: line 2: it is not UTF-8 at byte 1"
        );
    }

    #[test]
    fn a_file_without_rows_or_with_other_bytes_than_text_is_refused() {
        assert!(matches!(
            read_json_lines::<u8>(file(b"\n \n").path()),
            Err(DataError::NoRows { .. })
        ));
        assert!(matches!(
            read_json_lines::<u8>(file(&[0xff, 0xfe]).path()),
            Err(DataError::BadLines { .. })
        ));
        assert!(matches!(
            read_json_lines::<u8>(Path::new("no such file")),
            Err(DataError::Read { .. })
        ));
    }
}
