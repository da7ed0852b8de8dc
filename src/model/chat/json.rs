//! JSON as Python's `json.dumps` writes it, as in the training data of models.

use std::{fmt::Write as _, io};

use minijinja::{
    Error, ErrorKind,
    value::{Kwargs, Value, ValueKind},
};
use serde::Serialize as _;
use serde_json::{Serializer, ser::Formatter};

/// The filter `tojson` of transformers: without escapes for HTML, with the separators of Python.
#[expect(clippy::needless_pass_by_value, reason = "it is what the engine calls")]
pub(super) fn tojson(value: &Value, arguments: Kwargs) -> Result<String, Error> {
    let indent: Option<Value> = arguments.get("indent")?;
    let is_ascii: Option<bool> = arguments.get("ensure_ascii")?;
    let is_sorted: Option<bool> = arguments.get("sort_keys")?;
    let separators: Option<(String, String)> = match arguments.get::<Option<Value>>("separators")? {
        Some(pair) if !pair.is_none() => {
            let text = |index: usize| pair.get_item_by_index(index).map(|item| item.to_string());
            Some((text(0)?, text(1)?))
        }
        _ => None,
    };
    arguments.assert_all_used()?;
    let indent = match indent {
        None => None,
        Some(indent) if indent.is_none() => None,
        Some(indent) if indent.kind() == ValueKind::String => Some(indent.to_string()),
        Some(indent) => Some(" ".repeat(usize::try_from(indent)?)),
    };
    let (item, key) = separators.unwrap_or_else(|| {
        let item = if indent.is_some() { "," } else { ", " };
        (item.to_owned(), ": ".to_owned())
    });
    let mut bytes = Vec::new();
    let formatter = Python {
        item,
        key,
        indent,
        depth: 0,
        is_empty: true,
    };
    let mut serializer = Serializer::with_formatter(&mut bytes, formatter);
    let result = if is_sorted == Some(true) {
        // Objects of this type keep the order of their keys.
        serde_json::to_value(value).and_then(|value| sorted(value).serialize(&mut serializer))
    } else {
        value.serialize(&mut serializer)
    };
    result.map_err(|error| Error::new(ErrorKind::BadSerialization, error.to_string()))?;
    let text = String::from_utf8_lossy(&bytes);
    Ok(if is_ascii == Some(true) {
        escaped(&text)
    } else {
        text.into_owned()
    })
}

fn sorted(value: serde_json::Value) -> serde_json::Value {
    match value {
        serde_json::Value::Object(map) => {
            let mut pairs: Vec<_> = map.into_iter().collect();
            pairs.sort_by(|a, b| a.0.cmp(&b.0));
            let pairs = pairs.into_iter().map(|(key, value)| (key, sorted(value)));
            serde_json::Value::Object(pairs.collect())
        }
        serde_json::Value::Array(items) => items.into_iter().map(sorted).collect(),
        other => other,
    }
}

/// Escapes all characters beyond ASCII; only strings have them, and there an escape is allowed.
fn escaped(text: &str) -> String {
    let mut output = String::with_capacity(text.len());
    for character in text.chars() {
        if character.is_ascii() {
            output.push(character);
        } else {
            let mut units = [0; 2];
            for unit in character.encode_utf16(&mut units) {
                // Writing to a `String` does not fail.
                let _ = write!(output, "\\u{unit:04x}");
            }
        }
    }
    output
}

/// The layout of Python.
struct Python {
    item: String,
    key: String,
    indent: Option<String>,
    depth: usize,
    /// Whether the current list or object is empty so far.
    is_empty: bool,
}

impl Python {
    fn open<W: io::Write + ?Sized>(&mut self, writer: &mut W, bracket: u8) -> io::Result<()> {
        self.depth += 1;
        self.is_empty = true;
        writer.write_all(&[bracket])
    }

    fn close<W: io::Write + ?Sized>(&mut self, writer: &mut W, bracket: u8) -> io::Result<()> {
        self.depth -= 1;
        if !self.is_empty {
            self.new_line(writer)?;
        }
        self.is_empty = false;
        writer.write_all(&[bracket])
    }

    fn next<W: io::Write + ?Sized>(&mut self, writer: &mut W, is_first: bool) -> io::Result<()> {
        self.is_empty = false;
        if !is_first {
            writer.write_all(self.item.as_bytes())?;
        }
        self.new_line(writer)
    }

    fn new_line<W: io::Write + ?Sized>(&self, writer: &mut W) -> io::Result<()> {
        if let Some(indent) = &self.indent {
            writer.write_all(b"\n")?;
            for _ in 0..self.depth {
                writer.write_all(indent.as_bytes())?;
            }
        }
        Ok(())
    }
}

impl Formatter for Python {
    fn begin_array<W: io::Write + ?Sized>(&mut self, writer: &mut W) -> io::Result<()> {
        self.open(writer, b'[')
    }

    fn end_array<W: io::Write + ?Sized>(&mut self, writer: &mut W) -> io::Result<()> {
        self.close(writer, b']')
    }

    fn begin_array_value<W: io::Write + ?Sized>(
        &mut self,
        writer: &mut W,
        is_first: bool,
    ) -> io::Result<()> {
        self.next(writer, is_first)
    }

    fn begin_object<W: io::Write + ?Sized>(&mut self, writer: &mut W) -> io::Result<()> {
        self.open(writer, b'{')
    }

    fn end_object<W: io::Write + ?Sized>(&mut self, writer: &mut W) -> io::Result<()> {
        self.close(writer, b'}')
    }

    fn begin_object_key<W: io::Write + ?Sized>(
        &mut self,
        writer: &mut W,
        is_first: bool,
    ) -> io::Result<()> {
        self.next(writer, is_first)
    }

    fn begin_object_value<W: io::Write + ?Sized>(&mut self, writer: &mut W) -> io::Result<()> {
        writer.write_all(self.key.as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layouts_are_those_of_json_dumps() {
        let mut environment = minijinja::Environment::new();
        environment.add_filter("tojson", tojson);
        let render = |call: &str| {
            let value = r#"{"b": [1, 2.5, true, none, "<é>"], "a": {}, "c": []}"#;
            let text = format!("{{{{ {value}|tojson{call} }}}}");
            environment.render_str(&text, ()).unwrap()
        };

        // Oracle: `json.dumps` of Python 3.11 with the same arguments and `ensure_ascii=False`.
        insta::assert_snapshot!(render(""), @r#"{"b": [1, 2.5, true, null, "<é>"], "a": {}, "c": []}"#);
        insta::assert_snapshot!(render("(sort_keys=true, ensure_ascii=true)"), @r#"{"a": {}, "b": [1, 2.5, true, null, "<\u00e9>"], "c": []}"#);
        insta::assert_snapshot!(render("(separators=(',', ':'))"), @r#"{"b":[1,2.5,true,null,"<é>"],"a":{},"c":[]}"#);
        assert_eq!(
            render("(indent=2)"),
            "{\n  \"b\": [\n    1,\n    2.5,\n    true,\n    null,\n    \"<é>\"\n  ],\n  \"a\": {},\n  \"c\": []\n}"
        );
    }
}
