//! The training data: old code, a note about an update, new code.

use std::{fs, path::Path};

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{
    error::DataError,
    jsonl::{self, row_reason},
};

/// One row of a migration data set, in the paper's format (JSON lines).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Migration {
    /// The library that has changed.
    pub dependency: String,
    /// The version with the change, with its operator (`==2.2.0`).
    pub new_version: String,
    /// What the code does.
    #[serde(default)]
    pub description: String,
    /// The note about the update.
    pub update_info: String,
    /// Code that uses the old API.
    pub old_code: String,
    /// The same code with the new API: the target.
    pub new_code: String,
    /// A program that applies the update, for the unit tests.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub setup: String,
    /// Unit tests: programs that raise an exception if the code before them is wrong.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tests: Vec<String>,
}

/// The comparisons that a version may begin with (PEP 440), longest first.
const OPERATORS: [&str; 8] = ["===", "==", ">=", "<=", "~=", "!=", ">", "<"];

impl Migration {
    /// The version without its operator: what a prompt shows.
    pub fn version(&self) -> &str {
        without_operator(&self.new_version).unwrap_or(&self.new_version)
    }

    /// What a prompt template may show: everything except the target.
    pub fn prompt_fields(&self) -> Value {
        json!({
            "dependency": self.dependency,
            "version": self.version(),
            "description": self.description,
            "update_info": self.update_info,
            "old_code": self.old_code.trim_end(),
        })
    }

    /// Reads a line.
    pub(super) fn parse(line: &str) -> Result<Self, String> {
        let row: Self = serde_json::from_str(line).map_err(|error| row_reason(line, &error))?;
        row.check()
    }

    fn check(self) -> Result<Self, String> {
        let required = [
            ("dependency", &self.dependency),
            ("new_version", &self.new_version),
            ("update_info", &self.update_info),
            ("old_code", &self.old_code),
            ("new_code", &self.new_code),
        ];
        for (name, value) in required {
            if value.trim().is_empty() {
                return Err(format!("`{name}` is empty"));
            }
        }
        if self.tests.iter().any(|test| test.trim().is_empty()) {
            return Err("one of the `tests` is empty".to_owned());
        }
        if without_operator(&self.new_version).is_none_or(str::is_empty) {
            let version = &self.new_version;
            return Err(format!(
                "`new_version` is `{version}`, expected an operator and a version such as `==2.2.0`"
            ));
        }
        Ok(self)
    }
}

/// Reads a file of migrations, or all files `*.jsonl` of a folder in the order of their names.
pub fn read_migrations(path: &Path) -> Result<Vec<Migration>, DataError> {
    read_files(path, |line| Ok(vec![Migration::parse(line)?]))
}

/// Reads the lines of a file, or of all files `*.jsonl` of a folder in the order of their names.
pub(super) fn read_files<T: Clone>(
    path: &Path,
    parse: impl Fn(&str) -> Result<Vec<T>, String>,
) -> Result<Vec<T>, DataError> {
    if !path.is_dir() {
        return jsonl::read_json_lines_with(path, parse);
    }
    let failed = |source| DataError::Read {
        path: path.to_path_buf(),
        source,
    };
    let mut files = Vec::new();
    for entry in fs::read_dir(path).map_err(failed)? {
        let file = entry.map_err(failed)?.path();
        if file
            .extension()
            .is_some_and(|extension| extension == "jsonl")
        {
            files.push(file);
        }
    }
    files.sort();
    if files.is_empty() {
        return Err(DataError::NoRows {
            path: path.to_path_buf(),
        });
    }
    let rows = files
        .iter()
        .map(|file| jsonl::read_json_lines_with(file, &parse))
        .collect::<Result<Vec<_>, _>>();
    rows.map(|rows| rows.concat())
}

pub(super) fn without_operator(version: &str) -> Option<&str> {
    let version = version.trim();
    OPERATORS
        .iter()
        .find_map(|operator| version.strip_prefix(operator))
        .map(str::trim)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(version: &str) -> Migration {
        Migration {
            dependency: "math".to_owned(),
            new_version: version.to_owned(),
            description: String::new(),
            update_info: "note".to_owned(),
            old_code: "old".to_owned(),
            new_code: "new".to_owned(),
            setup: String::new(),
            tests: Vec::new(),
        }
    }

    #[test]
    fn a_version_is_shown_without_its_operator() {
        for (written, shown) in [("==2.2.0", "2.2.0"), (">= 1.3", "1.3"), (">2", "2")] {
            assert_eq!(row(written).check().unwrap().version(), shown);
        }
        for wrong in ["2.2.0", "==", " "] {
            assert!(
                row(wrong).check().unwrap_err().contains("new_version"),
                "{wrong}"
            );
        }
    }

    #[test]
    fn a_folder_stands_for_its_files_in_the_order_of_their_names() {
        let folder = tempfile::tempdir().unwrap();
        assert!(
            read_migrations(folder.path())
                .unwrap_err()
                .to_string()
                .contains("no rows")
        );
        for (name, version) in [("b.jsonl", "==2"), ("a.jsonl", "==1"), ("c.txt", "==3")] {
            let text = serde_json::to_string(&row(version)).unwrap();
            fs::write(folder.path().join(name), text).unwrap();
        }

        let rows = read_migrations(folder.path()).unwrap();

        let versions: Vec<&str> = rows.iter().map(Migration::version).collect();
        assert_eq!(versions, ["1", "2"]);
    }

    #[test]
    fn rows_that_lack_a_field_or_leave_it_empty_are_named() {
        let good = serde_json::to_string(&row("==1")).unwrap();
        let empty = good.replace("\"old\"", "\" \"");
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(
            file.path(),
            format!("{good}\n{empty}\n{{\"dependency\": \"d\"}}\n"),
        )
        .unwrap();

        let error = read_migrations(file.path()).unwrap_err().to_string();

        assert!(
            error.contains("line 2: `old_code` is empty; line 3: missing field"),
            "{error}"
        );
    }
}
