//! Checks files of migrations and reports every problem of every row at once.

mod fields;
mod names;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::{Map, Value};

use super::{jsonl::json_reason, odd_json::from_extreme_json};

/// Says why a text is no Python program, if it is none.
pub type CheckSyntax<'a> = &'a dyn Fn(&str) -> Result<(), String>;

/// How bad a problem is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// The row must not be trained on.
    Error,
    /// A person should look at it.
    Warning,
}

/// A problem of a row.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// The line of the file, counted from 1.
    pub line: usize,
    /// The field; nothing if the row as a whole is meant.
    pub field: Option<String>,
    /// How bad it is.
    pub severity: Severity,
    /// What is wrong, in words.
    pub problem: String,
}

/// What a check of one file found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct FileReport {
    /// Rows of the file, bad ones included.
    pub rows: usize,
    /// The problems, in the order of the lines.
    pub problems: Vec<Problem>,
}

impl FileReport {
    /// Whether a row has an error so far.
    pub fn has_error(&self, line: usize) -> bool {
        let is_error = |one: &Problem| one.line == line && one.severity == Severity::Error;
        self.problems.iter().any(is_error)
    }

    /// Adds an error of a row, and keeps the order of the lines.
    pub fn add_error(&mut self, line: usize, field: &str, problem: String) {
        let after = self.problems.partition_point(|known| known.line <= line);
        let error = Problem {
            line,
            field: Some(field.to_owned()),
            severity: Severity::Error,
            problem,
        };
        self.problems.insert(after, error);
    }

    /// How many problems of a kind there are.
    pub fn count(&self, severity: Severity) -> usize {
        let problems = self.problems.iter();
        problems
            .filter(|problem| problem.severity == severity)
            .count()
    }
}

/// Checks files of migrations, and rows across them for duplicates.
pub struct MigrationChecker<'a> {
    check_syntax: CheckSyntax<'a>,
    /// Where each pair of codes was seen first.
    seen: BTreeMap<(String, String), (String, usize)>,
}

impl std::fmt::Debug for MigrationChecker<'_> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut shown = formatter.debug_struct("MigrationChecker");
        shown
            .field("rows", &self.seen.len())
            .finish_non_exhaustive()
    }
}

impl<'a> MigrationChecker<'a> {
    /// A checker that has seen no rows yet.
    pub fn new(check_syntax: CheckSyntax<'a>) -> Self {
        Self {
            check_syntax,
            seen: BTreeMap::new(),
        }
    }

    /// Checks the content of a file; `name` is what a later duplicate calls it.
    pub fn check(&mut self, name: &str, content: &[u8]) -> FileReport {
        let mut report = FileReport::default();
        for (index, line) in content.split(|byte| *byte == b'\n').enumerate() {
            let mut row = Row {
                line: index + 1,
                problems: Vec::new(),
            };
            if line.iter().all(u8::is_ascii_whitespace) {
                continue;
            }
            report.rows += 1;
            if line.ends_with(b"\r") {
                row.error(None, "the line ends in CRLF, expected LF");
            }
            if let Some(object) = row.object(line) {
                self.check_row(&mut row, name, &object);
            }
            report.problems.append(&mut row.problems);
        }
        if report.rows == 0 {
            report.problems.push(Problem {
                line: 1,
                field: None,
                severity: Severity::Error,
                problem: "the file has no rows, expected one JSON object a line".to_owned(),
            });
        }
        report
    }

    fn check_row(&mut self, row: &mut Row, name: &str, object: &Map<String, Value>) {
        fields::check(row, object, self.check_syntax);
        let text = |field: &str| object.get(field).and_then(Value::as_str);
        let (Some(old), Some(new)) = (text("old_code"), text("new_code")) else {
            return;
        };
        let key = (plain(old), plain(new));
        if key.0 == key.1 {
            row.error(Some("new_code"), "the same code as `old_code`");
        }
        let place = (name.to_owned(), row.line);
        let (file, line) = self.seen.entry(key).or_insert_with(|| place.clone());
        if (&*file, *line) != (&place.0, place.1) {
            row.error(None, &format!("the same codes as {file}:{line}"));
        }
    }
}

/// Code without white space at the ends of lines and of the text.
fn plain(code: &str) -> String {
    let lines: Vec<&str> = code.trim().lines().map(str::trim_end).collect();
    lines.join("\n")
}

/// The row under examination.
#[derive(Debug)]
struct Row {
    line: usize,
    problems: Vec<Problem>,
}

impl Row {
    fn error(&mut self, field: Option<&str>, problem: &str) {
        self.add(Severity::Error, field, problem);
    }

    fn warning(&mut self, field: Option<&str>, problem: &str) {
        self.add(Severity::Warning, field, problem);
    }

    fn add(&mut self, severity: Severity, field: Option<&str>, problem: &str) {
        self.problems.push(Problem {
            line: self.line,
            field: field.map(str::to_owned),
            severity,
            problem: problem.to_owned(),
        });
    }

    /// The JSON object of a line.
    fn object(&mut self, line: &[u8]) -> Option<Map<String, Value>> {
        let Ok(text) = std::str::from_utf8(line) else {
            self.error(None, "the line is not UTF-8");
            return None;
        };
        if text.starts_with('\u{feff}') {
            self.error(
                None,
                "the file begins with a byte order mark, expected none",
            );
        }
        match from_extreme_json(text.trim_start_matches('\u{feff}')) {
            Ok(Value::Object(object)) => return Some(object),
            Ok(_) => self.error(None, "not a JSON object"),
            Err(error) => self.error(None, &format!("not JSON: {}", json_reason(&error))),
        }
        None
    }
}
