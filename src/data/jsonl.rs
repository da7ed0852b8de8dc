//! JSON lines, plain or compressed with gzip.

use std::{
    collections::BTreeMap,
    fs::File,
    io::{self, Read as _},
    path::Path,
};

use flate2::read::MultiGzDecoder;
use serde::de::DeserializeOwned;

use super::error::{BadLine, BadLines, DataError};

/// Reads a file with one JSON value of type `T` a line; blank lines are skipped.
///
/// Gzip is recognised by its first bytes, not by the file's name.
pub fn read_json_lines<T: DeserializeOwned>(path: &Path) -> Result<Vec<T>, DataError> {
    read_json_lines_with(path, |line| {
        serde_json::from_str(line)
            .map(|row| vec![row])
            .map_err(|error| json_reason(&error))
    })
}

/// Reads a file with one JSON value, plain or compressed.
pub fn read_json_value(path: &Path) -> Result<serde_json::Value, DataError> {
    let text = read_text(path).map_err(|source| DataError::Read {
        path: path.to_path_buf(),
        source,
    })?;
    serde_json::from_str(&text).map_err(|error| DataError::BadLines {
        path: path.to_path_buf(),
        lines: BadLines(vec![BadLine {
            number: error.line(),
            reason: json_reason(&error),
        }]),
    })
}

/// Reads a file that has some rows in each line, and reports all lines that `parse` refuses.
pub fn read_json_lines_with<T>(
    path: &Path,
    parse: impl Fn(&str) -> Result<Vec<T>, String>,
) -> Result<Vec<T>, DataError> {
    let text = read_text(path).map_err(|source| DataError::Read {
        path: path.to_path_buf(),
        source,
    })?;
    let mut rows = Vec::new();
    let mut bad = Vec::new();
    for (index, line) in text.lines().enumerate() {
        if line.trim().is_empty() {
            continue;
        }
        match parse(line) {
            Ok(parsed) => rows.extend(parsed),
            Err(reason) => bad.push(BadLine {
                number: index + 1,
                reason,
            }),
        }
    }
    if !bad.is_empty() {
        return Err(DataError::BadLines {
            path: path.to_path_buf(),
            lines: BadLines(bad),
        });
    }
    if rows.is_empty() {
        return Err(DataError::NoRows {
            path: path.to_path_buf(),
        });
    }
    Ok(rows)
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

fn read_text(path: &Path) -> io::Result<String> {
    let mut bytes = Vec::new();
    File::open(path)?.read_to_end(&mut bytes)?;
    if bytes.starts_with(&[0x1f, 0x8b]) {
        let mut text = String::new();
        MultiGzDecoder::new(bytes.as_slice()).read_to_string(&mut text)?;
        return Ok(text);
    }
    String::from_utf8(bytes).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
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
    fn a_file_without_rows_or_with_other_bytes_than_text_is_refused() {
        assert!(matches!(
            read_json_lines::<u8>(file(b"\n \n").path()),
            Err(DataError::NoRows { .. })
        ));
        assert!(matches!(
            read_json_lines::<u8>(file(&[0xff, 0xfe]).path()),
            Err(DataError::Read { .. })
        ));
        assert!(matches!(
            read_json_lines::<u8>(Path::new("no such file")),
            Err(DataError::Read { .. })
        ));
    }
}
