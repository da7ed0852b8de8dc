//! A row as a text that people can edit, with code as code and not as escaped JSON.

use serde_json::{Map, Value};

/// The order of the fields that every form shows.
const SHOWN: [&str; 7] = [
    "dependency",
    "new_version",
    "description",
    "update_info",
    "old_code",
    "new_code",
    "source",
];

/// Lists, one item a line.
const LISTS: [&str; 2] = ["uses", "not_uses"];

/// Writes a row as a form: a line `=== field ===` before each value.
pub fn as_form(row: &Map<String, Value>) -> String {
    let others = row
        .keys()
        .map(String::as_str)
        .filter(|name| !SHOWN.contains(name) && !LISTS.contains(name));
    SHOWN
        .into_iter()
        .chain(LISTS)
        .chain(others)
        .fold(String::new(), |form, name| {
            form + &format!("=== {name} ===\n{}\n", text_of(row.get(name)))
        })
}

fn text_of(value: Option<&Value>) -> String {
    match value {
        None => String::new(),
        Some(Value::String(text)) => text.clone(),
        Some(Value::Array(items)) => {
            let lines: Vec<String> = items.iter().map(|item| text_of(Some(item))).collect();
            lines.join("\n")
        }
        Some(other) => other.to_string(),
    }
}

/// Reads a form; a value that is left empty is no field.
pub fn from_form(form: &str) -> Result<Map<String, Value>, String> {
    let mut fields: Vec<(String, String)> = Vec::new();
    for (index, line) in form.lines().enumerate() {
        match (field_of(line), fields.last_mut()) {
            (Some(name), _) => fields.push((name.trim().to_owned(), String::new())),
            (None, Some((_, value))) => {
                value.push_str(line);
                value.push('\n');
            }
            (None, None) if line.trim().is_empty() => {}
            (None, None) => {
                let number = index + 1;
                return Err(format!("line {number} is before the first `=== field ===`"));
            }
        }
    }
    let mut row = Map::new();
    for (name, value) in fields {
        let value = value.trim_matches('\n');
        if value.trim().is_empty() {
            continue;
        }
        let value = if LISTS.contains(&name.as_str()) {
            let items = value.lines().map(str::trim);
            let items: Vec<&str> = items.filter(|line| !line.is_empty()).collect();
            // Written again, it would begin a field.
            if let Some(item) = items.iter().find(|item| field_of(item).is_some()) {
                return Err(format!("`{item}` of `{name}` is no item of a list"));
            }
            Value::from(items)
        } else {
            Value::from(value)
        };
        if row.insert(name.clone(), value).is_some() {
            return Err(format!("`{name}` is there twice"));
        }
    }
    Ok(row)
}

/// The name in a line that begins a field.
fn field_of(line: &str) -> Option<&str> {
    line.strip_prefix("=== ")?.trim_end().strip_suffix(" ===")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn row() -> Map<String, Value> {
        let row = json!({
            "dependency": "lib", "new_version": "==1", "description": "d", "update_info": "`u`",
            "old_code": "def f():\n\n    return 1", "new_code": "x = '=== y'", "source": "s",
            "uses": ["a.b", ".c"], "not_run": "a display",
        });
        row.as_object().unwrap().clone()
    }

    #[test]
    fn a_form_gives_the_row_back() {
        assert_eq!(from_form(&as_form(&row())).unwrap(), row());
    }

    #[test]
    fn a_form_shows_code_as_code() {
        let form = as_form(&row());
        assert!(
            form.contains("=== old_code ===\ndef f():\n\n    return 1\n=== new_code ===\n"),
            "{form}"
        );
        assert!(
            form.contains("=== uses ===\na.b\n.c\n=== not_uses ===\n\n"),
            "{form}"
        );
    }

    #[test]
    fn a_form_that_cannot_be_read_says_why() {
        assert!(from_form("x\n").unwrap_err().contains("line 1 is before"));
        let twice = "=== a ===\n1\n=== a ===\n2\n";
        assert_eq!(from_form(twice).unwrap_err(), "`a` is there twice");
    }
}
