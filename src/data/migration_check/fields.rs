//! The fields of one row, each alone and compared with each other.

use serde_json::{Map, Value};

use super::{
    CheckSyntax, Row,
    names::{Names, Use},
};
use crate::data::migration::without_operator;

/// The paper's six.
const REQUIRED: [&str; 6] = [
    "dependency",
    "new_version",
    "description",
    "update_info",
    "old_code",
    "new_code",
];

/// Ours: the source of the fact, what the checker looks for, why a program cannot be run here, unit tests.
const OPTIONAL: [&str; 6] = ["source", "uses", "not_uses", "not_run", "setup", "tests"];

pub(super) fn check(row: &mut Row, object: &Map<String, Value>, check_syntax: CheckSyntax<'_>) {
    for name in REQUIRED {
        text(row, object, name, true);
    }
    for name in ["source", "not_run", "setup"] {
        text(row, object, name, false);
    }
    for name in object.keys() {
        if !REQUIRED.contains(&name.as_str()) && !OPTIONAL.contains(&name.as_str()) {
            let known = REQUIRED.into_iter().chain(OPTIONAL);
            let near = known.min_by_key(|known| strsim::damerau_levenshtein(known, name));
            let near = near.filter(|near| strsim::normalized_damerau_levenshtein(near, name) > 0.6);
            let meant = near.map_or_else(String::new, |near| format!(", did you mean `{near}`?"));
            row.warning(Some(name), &format!("an unknown field{meant}"));
        }
    }
    version(row, object);
    for name in ["old_code", "new_code", "setup"] {
        code(row, object, name, check_syntax);
    }
    tests(row, object, check_syntax);
    uses(row, object);
}

/// A field with a text that is not blank.
fn text(row: &mut Row, object: &Map<String, Value>, name: &str, is_required: bool) {
    match object.get(name) {
        None if is_required => row.error(Some(name), "missing"),
        Some(Value::String(text)) if text.trim().is_empty() => row.error(Some(name), "empty"),
        None | Some(Value::String(_)) => {}
        Some(other) => {
            let problem = format!("{}, expected a text", kind(other));
            row.error(Some(name), &problem);
        }
    }
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a Boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

fn version(row: &mut Row, object: &Map<String, Value>) {
    let Some(version) = object.get("new_version").and_then(Value::as_str) else {
        return;
    };
    let is_number = |number: &str| {
        let fine = |c: char| c.is_ascii_alphanumeric() || ".+!*-_".contains(c);
        number.starts_with(|c: char| c.is_ascii_digit()) && number.chars().all(fine)
    };
    if !version.trim().is_empty() && !without_operator(version).is_some_and(is_number) {
        let problem = format!("`{version}`, expected an operator and a version such as `==2.2.0`");
        row.error(Some("new_version"), &problem);
    }
}

fn code(row: &mut Row, object: &Map<String, Value>, name: &str, check_syntax: CheckSyntax<'_>) {
    let Some(code) = object.get(name).and_then(Value::as_str) else {
        return;
    };
    if let Some(line) = line_with(code, '\t') {
        let problem = format!("a tab in line {line} of the code, expected spaces");
        row.error(Some(name), &problem);
    }
    if let Some(line) = line_with(code, '\r') {
        let problem = format!("a carriage return in line {line} of the code");
        row.error(Some(name), &problem);
    }
    if let Err(reason) = check_syntax(code) {
        row.error(Some(name), &format!("no Python 3: {reason}"));
    }
}

/// The unit tests are a list of programs.
fn tests(row: &mut Row, object: &Map<String, Value>, check_syntax: CheckSyntax<'_>) {
    let items = match object.get("tests") {
        None => return,
        Some(Value::Array(items)) if !items.is_empty() => items,
        Some(Value::Array(_)) => return row.error(Some("tests"), "empty"),
        Some(other) => {
            let problem = format!("{}, expected a list of programs", kind(other));
            return row.error(Some("tests"), &problem);
        }
    };
    for (index, item) in items.iter().enumerate() {
        let number = index + 1;
        match item.as_str() {
            Some(test) if test.trim().is_empty() => {
                row.error(Some("tests"), &format!("test {number} is empty"));
            }
            Some(test) => {
                if let Err(reason) = check_syntax(test) {
                    let problem = format!("test {number} is no Python 3: {reason}");
                    row.error(Some("tests"), &problem);
                }
            }
            None => {
                let problem = format!("test {number} is {}, expected a program", kind(item));
                row.error(Some("tests"), &problem);
            }
        }
    }
}

fn line_with(code: &str, wanted: char) -> Option<usize> {
    let line = code.split('\n').position(|line| line.contains(wanted))?;
    Some(line + 1)
}

/// Whether the codes use what `uses` and `not_uses` say, or at least what the note mentions.
fn uses(row: &mut Row, object: &Map<String, Value>) {
    let wanted = patterns(row, object, "uses");
    let unwanted = patterns(row, object, "not_uses");
    let code = |name: &str| object.get(name).and_then(Value::as_str);
    let (old, new) = (code("old_code"), code("new_code"));
    if let Some(names) = new.and_then(Names::of) {
        for (text, pattern) in &wanted {
            if !names.have(pattern) {
                let problem = format!("does not use `{text}`, which `uses` promises");
                row.error(Some("new_code"), &problem);
            }
        }
        for (text, pattern) in &unwanted {
            if names.have(pattern) {
                let problem = format!("still uses `{text}`, which `not_uses` rules out");
                row.error(Some("new_code"), &problem);
            }
        }
    }
    if let Some(names) = old.and_then(Names::of) {
        for (text, pattern) in &unwanted {
            if !names.have(pattern) {
                let problem = format!("does not use `{text}`, the old API by `not_uses`");
                row.error(Some("old_code"), &problem);
            }
        }
    }
    if object.get("uses").is_none() && object.get("not_uses").is_none() {
        speaks_of(row, code("update_info"), new);
    }
}

fn patterns(row: &mut Row, object: &Map<String, Value>, field: &str) -> Vec<(String, Use)> {
    let items = match object.get(field) {
        None => return Vec::new(),
        Some(Value::Array(items)) => items,
        Some(other) => {
            let problem = format!("{}, expected a list of texts", kind(other));
            row.error(Some(field), &problem);
            return Vec::new();
        }
    };
    let mut patterns = Vec::new();
    for item in items {
        let Some(text) = item.as_str() else {
            let problem = format!("{} in the list, expected a text", kind(item));
            row.error(Some(field), &problem);
            continue;
        };
        match Use::parse(text) {
            Ok(pattern) => patterns.push((text.to_owned(), pattern)),
            Err(reason) => row.error(Some(field), &reason),
        }
    }
    patterns
}

/// Warns if the new code has none of the names that the note has in backticks.
fn speaks_of(row: &mut Row, note: Option<&str>, new: Option<&str>) {
    let (Some(note), Some(new)) = (note, new) else {
        return;
    };
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    let words: Vec<&str> = new.split(|c| !is_word(c)).collect();
    let mut names = note
        .split('`')
        .skip(1)
        .step_by(2)
        .filter_map(|quoted| {
            quoted
                .split('(')
                .next()?
                .rsplit('.')
                .find(|part| !part.is_empty())
        })
        .map(|name| name.trim_end_matches('='))
        .filter(|name| name.chars().all(is_word))
        .peekable();
    if names.peek().is_some() && !names.any(|name| words.contains(&name)) {
        let problem = "none of the names in backticks in `update_info` occurs in it";
        row.warning(Some("new_code"), problem);
    }
}
