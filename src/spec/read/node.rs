//! Settings as a tree in which every key and value has its place in the text.

use serde_json::{Map, Value as Json};
use toml_edit::{Document, Item, TableLike, Value as TomlValue};

use super::source::Place;

/// A value and its place.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::spec) struct Node {
    pub(in crate::spec) data: Data,
    pub(in crate::spec) place: Place,
}

/// A TOML value.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::spec) enum Data {
    Flag(bool),
    Whole(i64),
    Number(f64),
    Text(String),
    /// A date or a time; no setting takes one.
    Date,
    List(Vec<Node>),
    Table(Vec<Entry>),
}

/// A key with its value.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::spec) struct Entry {
    pub(in crate::spec) key: String,
    pub(in crate::spec) place: Place,
    pub(in crate::spec) node: Node,
}

/// Why a text is not TOML.
#[derive(Debug)]
pub(in crate::spec) struct Syntax {
    pub(in crate::spec) message: String,
    pub(in crate::spec) place: Place,
}

impl Node {
    /// A table without entries.
    pub(in crate::spec) fn empty(place: Place) -> Self {
        Self {
            data: Data::Table(Vec::new()),
            place,
        }
    }

    /// Reads the TOML document of source number `source`.
    pub(in crate::spec) fn parse(source: usize, text: &str) -> Result<Self, Syntax> {
        match Document::parse(text) {
            Ok(document) => {
                let whole = Place {
                    source,
                    start: 0,
                    end: text.len(),
                };
                Ok(Self {
                    data: table(document.as_table(), whole),
                    place: whole,
                })
            }
            Err(error) => {
                let span = error.span().unwrap_or(text.len()..text.len());
                let place = Place {
                    source,
                    start: span.start,
                    end: span.end.max(span.start),
                };
                Err(Syntax {
                    message: error.message().to_owned(),
                    place,
                })
            }
        }
    }

    /// Reads the value that follows `key=` in an environment variable or a `--set`: TOML if it
    /// parses, else a text, so that nobody has to quote quotes for a shell.
    pub(in crate::spec) fn parse_value(source: usize, text: &str, offset: usize) -> Self {
        const KEY: &str = "v=";
        let place = Place {
            source,
            start: offset,
            end: offset + text.len(),
        };
        let parsed = Self::parse(source, &format!("{KEY}{text}")).ok();
        let entries = match parsed {
            Some(Self {
                data: Data::Table(entries),
                ..
            }) => entries,
            _ => Vec::new(),
        };
        match <[Entry; 1]>::try_from(entries) {
            Ok([entry]) if entry.key == "v" => {
                let mut node = entry.node;
                node.shift(offset, KEY.len());
                node
            }
            _ => Self {
                data: Data::Text(text.to_owned()),
                place,
            },
        }
    }

    fn shift(&mut self, forwards: usize, backwards: usize) {
        let moved = |place: &mut Place| {
            place.start = (place.start + forwards).saturating_sub(backwards);
            place.end = (place.end + forwards).saturating_sub(backwards);
        };
        moved(&mut self.place);
        match &mut self.data {
            Data::List(nodes) => nodes
                .iter_mut()
                .for_each(|node| node.shift(forwards, backwards)),
            Data::Table(entries) => {
                for entry in entries {
                    moved(&mut entry.place);
                    entry.node.shift(forwards, backwards);
                }
            }
            _ => {}
        }
    }

    /// The value of `key`, if this is a table that has it.
    pub(in crate::spec) fn get(&self, key: &str) -> Option<&Self> {
        self.entry(key).map(|entry| &entry.node)
    }

    /// The value of `key`, to be changed, if this is a table that has it.
    pub(in crate::spec) fn get_mut(&mut self, key: &str) -> Option<&mut Self> {
        match &mut self.data {
            Data::Table(entries) => entries
                .iter_mut()
                .find(|entry| entry.key == key)
                .map(|entry| &mut entry.node),
            _ => None,
        }
    }

    /// Removes the entry of `key`, if this is a table that has it.
    pub(in crate::spec) fn remove(&mut self, key: &str) {
        if let Data::Table(entries) = &mut self.data {
            entries.retain(|entry| entry.key != key);
        }
    }

    /// The entry of `key`, if this is a table that has it.
    pub(in crate::spec) fn entry(&self, key: &str) -> Option<&Entry> {
        self.entries().iter().find(|entry| entry.key == key)
    }

    /// The entries of a table; none of anything else.
    pub(in crate::spec) fn entries(&self) -> &[Entry] {
        if let Data::Table(entries) = &self.data {
            entries
        } else {
            &[]
        }
    }

    /// The items of a list; none of anything else.
    pub(in crate::spec) fn items(&self) -> &[Self] {
        if let Data::List(nodes) = &self.data {
            nodes
        } else {
            &[]
        }
    }

    /// The text, if this is one.
    pub(in crate::spec) fn as_text(&self) -> Option<&str> {
        if let Data::Text(text) = &self.data {
            Some(text)
        } else {
            None
        }
    }

    /// Sets the value at a path of keys, making the tables on the way.
    pub(in crate::spec) fn insert(&mut self, path: &[&str], at: Place, node: Self) {
        let Some((first, rest)) = path.split_first() else {
            *self = node;
            return;
        };
        if !matches!(self.data, Data::Table(_)) {
            self.data = Data::Table(Vec::new());
        }
        let Data::Table(entries) = &mut self.data else {
            return;
        };
        let position = entries
            .iter()
            .position(|entry| entry.key == *first)
            .unwrap_or_else(|| {
                let node = Self::empty(node.place);
                entries.push(Entry {
                    key: (*first).to_owned(),
                    place: at,
                    node,
                });
                entries.len() - 1
            });
        entries[position].node.insert(rest, at, node);
    }

    /// The value without its places.
    pub(in crate::spec) fn to_json(&self) -> Json {
        match &self.data {
            Data::Flag(flag) => Json::from(*flag),
            Data::Whole(number) => Json::from(*number),
            Data::Number(number) => Json::from(*number),
            Data::Text(text) => Json::from(text.as_str()),
            Data::Date => Json::Null,
            Data::List(nodes) => nodes.iter().map(Self::to_json).collect(),
            Data::Table(entries) => {
                let pairs = entries
                    .iter()
                    .map(|entry| (entry.key.clone(), entry.node.to_json()));
                Json::Object(pairs.collect::<Map<_, _>>())
            }
        }
    }

    /// The type of the value, for messages.
    pub(in crate::spec) fn noun(&self) -> &'static str {
        match self.data {
            Data::Flag(_) => "`true` or `false`",
            Data::Whole(_) => "a whole number",
            Data::Number(_) => "a number",
            Data::Text(_) => "a text",
            Data::Date => "a date",
            Data::List(_) => "a list",
            Data::Table(_) => "a table",
        }
    }
}

fn table(table: &dyn TableLike, around: Place) -> Data {
    let entries = table.iter().filter_map(|(name, item)| {
        let key = table.key(name)?;
        let place = key.span().map_or(around, |span| within(around, span));
        let value = item.span().map_or(place, |span| within(around, span));
        Some(Entry {
            key: name.to_owned(),
            place,
            node: item_node(item, value),
        })
    });
    Data::Table(entries.collect())
}

fn within(around: Place, span: std::ops::Range<usize>) -> Place {
    Place {
        source: around.source,
        start: span.start,
        end: span.end,
    }
}

fn item_node(item: &Item, place: Place) -> Node {
    let data = match item {
        Item::None => Data::Table(Vec::new()),
        Item::Value(value) => return value_node(value, place),
        Item::Table(inner) => table(inner, place),
        Item::ArrayOfTables(tables) => {
            let nodes = tables.iter().map(|inner| {
                let place = inner.span().map_or(place, |span| within(place, span));
                Node {
                    data: table(inner, place),
                    place,
                }
            });
            Data::List(nodes.collect())
        }
    };
    Node { data, place }
}

fn value_node(value: &TomlValue, place: Place) -> Node {
    let data = match value {
        TomlValue::String(text) => Data::Text(text.value().clone()),
        TomlValue::Integer(number) => Data::Whole(*number.value()),
        TomlValue::Float(number) => Data::Number(*number.value()),
        TomlValue::Boolean(flag) => Data::Flag(*flag.value()),
        TomlValue::Datetime(_) => Data::Date,
        TomlValue::Array(values) => {
            let nodes = values.iter().map(|value| {
                let place = value.span().map_or(place, |span| within(place, span));
                value_node(value, place)
            });
            Data::List(nodes.collect())
        }
        TomlValue::InlineTable(inner) => table(inner, place),
    };
    Node { data, place }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text_at(text: &str, place: Place) -> &str {
        text.get(place.span()).unwrap()
    }

    #[test]
    fn keys_and_values_know_their_places() {
        let text = "[train]\nlr.peak = 5e-5\nreward = \"es\"\n[grid]\n\"a.b\" = [1, 2]\n";
        let root = Node::parse(0, text).unwrap();

        let train = root.get("train").unwrap();
        let peak = train.get("lr").unwrap().entry("peak").unwrap();
        assert_eq!(text_at(text, peak.place), "peak");
        assert_eq!(text_at(text, peak.node.place), "5e-5");
        assert_eq!(text_at(text, train.get("reward").unwrap().place), "\"es\"");
        let axis = root.get("grid").unwrap().entry("a.b").unwrap();
        assert_eq!(text_at(text, axis.place), "\"a.b\"");
        assert_eq!(text_at(text, axis.node.items()[1].place), "2");
        assert_eq!(text_at(text, root.entry("train").unwrap().place), "train");
    }

    #[test]
    fn values_of_the_command_line_are_toml_or_else_text() {
        let node = |text| Node::parse_value(0, text, 10);

        assert_eq!(node("1e-4").data, Data::Number(1e-4));
        assert_eq!(node("grpo").data, Data::Text("grpo".into()));
        assert_eq!(node("\"7\"").data, Data::Text("7".into()));
        assert_eq!(node("1\nw=2").data, Data::Text("1\nw=2".into()));
        assert_eq!(node("").data, Data::Text(String::new()));
        assert_eq!(
            node("[1, 22]").items()[1].place,
            Place {
                source: 0,
                start: 14,
                end: 16
            }
        );
        assert_eq!(
            node("grpo").place,
            Place {
                source: 0,
                start: 10,
                end: 14
            }
        );
    }
}
