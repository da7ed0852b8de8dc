//! The JSON Schema (draft 2020-12) of a spec, made from the keys.
//!
//! An editor with a TOML language server completes and checks a spec by it. It says what one file may
//! hold: it does not require `name`, which an included file need not have. What depends on other
//! values or on files (contradictions, files that do not exist, names of models) is left to
//! `recode check`, which is also stricter in one point: in JSON, `64.0` is a whole number. In one point
//! it is less strict: a path in quotes within a table of `[grid]` (`[grid.train] "lr.peak" = ...`).

use std::collections::BTreeSet;

use serde_json::{Map, Value as Json, json};

use super::{
    explain::GRID,
    read::node::Node,
    schema::{self, SpecKey, join, rest_below},
};
use crate::{
    settings::{Kind, MemorySize, Range, WEIGHT},
    train::Algorithm,
};

/// The schema as the text of a file.
pub fn json_schema() -> String {
    let mut definitions = Map::new();
    for key in schema::keys() {
        if !schema::is_copy(&key.path) {
            definitions.insert(key.path.clone(), of_key(key));
        }
    }
    let sections = sections();
    let sections = || sections.iter().filter(|path| definition(path) == **path);
    for section in sections() {
        definitions.insert(section.clone(), of_section(section));
    }
    for purpose in [Purpose::Axes, Purpose::Conditions, Purpose::Changes] {
        definitions.insert(purpose.name(""), of_assignments(purpose, ""));
        for section in sections().filter(|path| is_swept(path)) {
            definitions.insert(purpose.name(section), of_assignments(purpose, section));
        }
    }
    definitions.insert("grid".to_owned(), of_grid());
    let properties = schema::names_in("").into_iter();
    let properties: Map<String, Json> = properties
        .map(|name| (name.to_owned(), reference(name)))
        .collect();
    let definitions: Vec<String> = definitions
        .iter()
        .map(|(name, one)| format!("    {}: {one}", json!(name)))
        .collect();
    // A line for each definition: short enough to load, and a change shows as what it is.
    format!(
        "{{\n  \"$schema\": \"https://json-schema.org/draft/2020-12/schema\",\n  \
         \"title\": \"An experiment of recode\",\n  \"type\": \"object\",\n  \
         \"properties\": {},\n  \"additionalProperties\": false,\n  \
         \"$defs\": {{\n{}\n  }}\n}}\n",
        Json::Object(properties),
        definitions.join(",\n"),
    )
}

/// What the assignments of a table in `[grid]` are for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Purpose {
    /// Each gives the values of an axis.
    Axes,
    /// Each chooses points: a list stands for any of its values.
    Conditions,
    /// Each changes a point.
    Changes,
}

impl Purpose {
    /// The name of the definition for the assignments below a section.
    fn name(self, section: &str) -> String {
        let name = match self {
            Self::Axes => "grid-axes",
            Self::Conditions => "grid-conditions",
            Self::Changes => "grid-changes",
        };
        join(name, section)
    }

    /// What an assignment to a path may be.
    fn value(self, path: &str) -> Json {
        let one = reference(path);
        let takes_one = schema::find(path).is_none_or(|key| {
            matches!(key.kind, Kind::List(_) | Kind::Words | Kind::Subset { .. })
        });
        match self {
            Self::Axes => list_of(&one),
            Self::Conditions if !takes_one => {
                json!({ "anyOf": [one, { "type": "array", "items": one }] })
            }
            Self::Conditions | Self::Changes => one,
        }
    }
}

/// Whether an assignment may name a path.
fn is_swept(path: &str) -> bool {
    schema::reason_against_sweeping(path).is_none()
}

/// The paths of all sections.
fn sections() -> BTreeSet<String> {
    let mut sections = BTreeSet::new();
    for mut path in schema::paths() {
        while let Some((section, _)) = path.rsplit_once('.') {
            sections.insert(section.to_owned());
            path = section;
        }
    }
    sections
}

/// The path whose definition holds for a path: the table of an algorithm repeats that of [train].
fn definition(path: &str) -> String {
    let shared = rest_below(path, "train")
        .and_then(|rest| rest.split_once('.'))
        .map(|(_, rest)| join("train", rest));
    match shared {
        Some(shared) if schema::is_copy(path) || are_sections(path, &shared) => shared,
        _ => path.to_owned(),
    }
}

fn are_sections(one: &str, other: &str) -> bool {
    schema::find(other).is_none() && schema::is_section(one) && schema::is_section(other)
}

fn reference(path: &str) -> Json {
    json!({ "$ref": format!("#/$defs/{}", definition(path)) })
}

fn of_section(section: &str) -> Json {
    let properties: Map<String, Json> = schema::names_in(section)
        .into_iter()
        .map(|name| {
            let path = join(section, name);
            let mut value = reference(&path);
            if schema::is_copy(&path)
                && let Some(default) = schema::find(&path).and_then(default)
            {
                value["default"] = default;
            }
            (name.to_owned(), value)
        })
        .collect();
    let block = schema::blocks().iter().find(|block| block.path == section);
    json!({
        "description": block.map_or("", |block| block.doc),
        "type": "object",
        "properties": properties,
        "additionalProperties": false,
    })
}

/// The assignments of a table below a section. At the top they are whole paths in quotes, and names
/// of sections with tables below them; further down, only names.
fn of_assignments(purpose: Purpose, section: &str) -> Json {
    let sections = sections();
    let mut properties = Map::new();
    let mut patterns = Map::new();
    if section.is_empty() {
        let mut paths: Vec<&str> = schema::paths().collect();
        paths.extend(sections.iter().map(String::as_str));
        for path in paths.into_iter().filter(|path| is_swept(path)) {
            let shared = definition(path);
            if shared == path {
                properties.insert(path.to_owned(), purpose.value(path));
            } else {
                patterns.insert(pattern_of_copies(&shared), purpose.value(&shared));
            }
        }
    }
    for name in schema::names_in(section) {
        let path = join(section, name);
        if path == "grid" || !is_swept(&path) {
            continue;
        }
        let mut value = purpose.value(&path);
        if sections.contains(&path) {
            let nested = purpose.name(&definition(&path));
            value = json!({ "anyOf": [value, { "$ref": format!("#/$defs/{nested}") }] });
        }
        properties.insert(name.to_owned(), value);
    }
    let mut schema =
        json!({ "type": "object", "properties": properties, "additionalProperties": false });
    if !patterns.is_empty() {
        schema["patternProperties"] = Json::Object(patterns);
    }
    schema
}

/// A pattern of the paths that repeat a path of [train] in the table of an algorithm.
fn pattern_of_copies(shared: &str) -> String {
    let rest = rest_below(shared, "train").unwrap_or(shared);
    let algorithms = Algorithm::names().join("|");
    format!("^train\\.({algorithms})\\.{}$", rest.replace('.', "\\."))
}

fn of_grid() -> Json {
    let mut grid = of_assignments(Purpose::Axes, "");
    let tables = |purpose: Purpose| {
        let table = json!({ "$ref": format!("#/$defs/{}", purpose.name("")), "minProperties": 1 });
        json!({ "type": "array", "items": table })
    };
    let assignments = |purpose: Purpose| tables(purpose)["items"].clone();
    let when = json!({
        "type": "object",
        "properties": {
            "if": assignments(Purpose::Conditions),
            "set": assignments(Purpose::Changes),
        },
        "required": ["if", "set"],
        "additionalProperties": false,
    });
    let properties = &mut grid["properties"];
    properties["zip"] = tables(Purpose::Axes);
    properties["exclude"] = tables(Purpose::Conditions);
    properties["when"] = json!({ "type": "array", "items": when });
    properties["add"] = tables(Purpose::Changes);
    grid["description"] = json!(GRID);
    grid
}

fn of_key(key: &SpecKey) -> Json {
    let mut schema = of_kind(key.kind);
    schema["description"] = json!(key.doc);
    if let Some(default) = default(key) {
        schema["default"] = default;
    }
    schema
}

/// The default as JSON.
fn default(key: &SpecKey) -> Option<Json> {
    Some(Node::parse_value(0, key.default?, 0).to_json())
}

#[expect(clippy::too_many_lines, reason = "a case for each kind")]
fn of_kind(kind: Kind) -> Json {
    match kind {
        Kind::Text | Kind::File | Kind::Model | Kind::DataSet | Kind::Benchmark => {
            json!({ "type": "string", "pattern": "\\S" })
        }
        Kind::Name => json!({ "type": "string", "pattern": "^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$" }),
        Kind::Flag => json!({ "type": "boolean" }),
        Kind::Choice(_, names) => json!({ "enum": names() }),
        Kind::Weights(_, names) => {
            let weights: Map<String, Json> = names()
                .into_iter()
                .map(|name| (name.to_owned(), of_range(WEIGHT)))
                .collect();
            json!({ "anyOf": [
                { "enum": names() },
                {
                    "type": "object",
                    "properties": weights,
                    "additionalProperties": false,
                    "minProperties": 1,
                },
            ] })
        }
        Kind::Whole(low, high) => json!({ "type": "integer", "minimum": low, "maximum": high }),
        Kind::Number(range) => of_range(range),
        Kind::Subset { names, sets, .. } => {
            let sets: Vec<&str> = sets.iter().map(|(name, _)| *name).collect();
            let one = json!({ "enum": names() });
            json!({ "anyOf": [{ "enum": sets }, list_of(&one)] })
        }
        Kind::List(of) => list_of(&of_kind(*of)),
        Kind::Words => {
            json!({ "type": "array", "items": of_kind(Kind::Text), "minItems": 1 })
        }
        Kind::TextOrList => {
            let text = of_kind(Kind::Text);
            json!({ "anyOf": [text, list_of(&text)] })
        }
        Kind::Memory(least) => {
            let number = if least == 0 {
                "[0-9]+"
            } else {
                "0*[1-9][0-9]*"
            };
            let units = MemorySize::units().join("|");
            json!({ "type": "string", "pattern": format!("^{number}\\s*({units})$") })
        }
        Kind::TimeLength => json!({
            "type": "string",
            "pattern": "^(?=.*[1-9])([0-9]+d)?([0-9]+h)?([0-9]+m)?$",
        }),
        Kind::Assignments => json!({
            "anyOf": [
                {
                    "type": "object",
                    "properties": { "method": { "const": "untrained" } },
                    "required": ["method"],
                    "additionalProperties": false,
                },
                {
                    "$ref": format!("#/$defs/{}", Purpose::Changes.name("")),
                    "minProperties": 1,
                },
            ],
        }),
    }
}

fn of_range(range: Range) -> Json {
    let low = if range.is_open_below {
        "exclusiveMinimum"
    } else {
        "minimum"
    };
    let high = if range.is_open_above {
        "exclusiveMaximum"
    } else {
        "maximum"
    };
    json!({ "type": "number", low: range.low, high: range.high })
}

/// A list with at least one item, and none twice.
fn list_of(item: &Json) -> Json {
    json!({ "type": "array", "items": item, "minItems": 1, "uniqueItems": true })
}
