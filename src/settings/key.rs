//! Keys, and the tables that they are in.

use super::Kind;

/// One setting.
#[derive(Clone, Copy, Debug)]
pub struct Key {
    /// Its name in its table.
    pub name: &'static str,
    /// The values that it takes.
    pub kind: Kind,
    /// What holds where a spec says nothing, as TOML; some keys have no default.
    pub default: Option<&'static str>,
    /// Where the default comes from.
    pub source: Option<&'static str>,
    /// What it is for, in one sentence.
    pub doc: &'static str,
}

/// A table of settings within another table.
#[derive(Clone, Copy, Debug)]
pub struct Table {
    /// Its name in the table around it.
    pub name: &'static str,
    /// What it holds.
    pub fields: &'static [Field],
    /// Defaults that differ here from those of the fields.
    pub presets: &'static [Preset],
    /// Where the defaults come from that name no source.
    pub source: Option<&'static str>,
    /// What it is for, in one sentence.
    pub doc: &'static str,
}

/// A field of a struct of settings.
#[derive(Clone, Copy, Debug)]
pub enum Field {
    /// A setting.
    Key(Key),
    /// More settings.
    Table(Table),
    /// Nothing that a spec sets under this name: the program fills it in.
    Internal,
}

/// A default that holds in one place, where the same settings are used in several.
#[derive(Clone, Copy, Debug)]
pub struct Preset {
    /// The path of the key below the table, with dots.
    pub path: &'static str,
    /// The default, as TOML.
    pub default: &'static str,
    /// Where the default comes from.
    pub source: Option<&'static str>,
    /// The values that the key takes here, if they differ.
    pub kind: Option<Kind>,
}

/// A struct whose fields are settings; `settings!` implements it.
pub trait Settings {
    /// What it is for, in one sentence.
    const DOC: &'static str;
    /// The fields, in the order of the struct.
    const FIELDS: &'static [Field];
}

impl<S: Settings> Settings for Option<S> {
    const DOC: &'static str = S::DOC;
    const FIELDS: &'static [Field] = S::FIELDS;
}
