//! Every key that a spec may have, by its whole path.
//!
//! The keys are declared with the structs that jobs have ([`TrainSettings`], ...); here they are put
//! together. Checks, suggestions, `defaults.toml`, `recode explain` and the JSON Schema read them from
//! here.

use std::{collections::BTreeMap, sync::LazyLock};

use crate::{
    data::DataSettings,
    eval::{EvalSettings, benchmark::BENCHMARKS},
    model::ModelSettings,
    reward::RewardSettings,
    settings::{Field, Key, Kind, Preset, Settings as _, Table},
    train::{Algorithm, STAGE_FIELDS, TrainSettings},
};

use super::{
    benchmark,
    settings::{ReportSettings, RunSettings, TOP_FIELDS},
    table::settings::TableSettings,
};

/// A key of a spec.
#[derive(Debug)]
pub(super) struct SpecKey {
    /// The whole path, such as `train.lr.peak`.
    pub(super) path: String,
    /// The number of the [`Block`] that it is in.
    pub(super) block: usize,
    pub(super) kind: Kind,
    /// What holds where a spec says nothing, as TOML.
    pub(super) default: Option<&'static str>,
    /// Where the default comes from; `None` if the block says it, or nothing does.
    pub(super) source: Option<&'static str>,
    /// What it is for, in one sentence.
    pub(super) doc: &'static str,
    /// Whether it is a key of `[train]` that the tables of algorithms may repeat.
    pub(super) is_shared: bool,
}

/// A table that is written with a header.
#[derive(Debug)]
pub(super) struct Block {
    /// The whole path; empty for the top of the spec.
    pub(super) path: String,
    /// Where the defaults come from that name no source.
    pub(super) source: Option<&'static str>,
    /// What it is for, in one sentence.
    pub(super) doc: &'static str,
}

/// All keys.
#[derive(Debug, Default)]
struct Schema {
    blocks: Vec<Block>,
    /// In the order in which they are declared, with the keys of a table before the tables in it.
    keys: Vec<SpecKey>,
    by_path: BTreeMap<String, usize>,
}

/// The kind of a benchmark's name.
const BENCHMARK: Kind = Kind::Choice("benchmark", benchmark::names);

static SCHEMA: LazyLock<Schema> = LazyLock::new(|| {
    let mut schema = Schema::default();
    schema.block("", None, "The top of a spec.");
    schema.fields("", TOP_FIELDS, &[]);
    schema.section("model", ModelSettings::DOC, &[ModelSettings::FIELDS]);
    schema.section("data", DataSettings::DOC, &[DataSettings::FIELDS]);
    schema.block(
        "data.benchmarks",
        None,
        "Files of benchmarks that replace those of the manifest.",
    );
    for name in benchmark::names() {
        schema.key("data.benchmarks", name, DataSettings::BENCHMARK_FILE, None);
    }
    schema.section("train", TrainSettings::DOC, &[TrainSettings::FIELDS]);
    for key in &mut schema.keys {
        key.is_shared = key.path.starts_with("train.") && key.path != "train.algorithm";
    }
    schema.algorithms();
    schema.section("reward", RewardSettings::DOC, &[RewardSettings::FIELDS]);
    let eval = [EvalSettings::SPEC_FIELDS, EvalSettings::FIELDS];
    schema.section("eval", EvalSettings::DOC, &eval);
    schema.block(
        "eval.samples",
        None,
        "The number of completions of each task, by benchmark.",
    );
    for benchmark in BENCHMARKS {
        let key = benchmark.samples_key();
        schema.key("eval.samples", benchmark.name, key, None);
    }
    schema.section("run", RunSettings::DOC, &[RunSettings::FIELDS]);
    schema.section("report", ReportSettings::DOC, &[ReportSettings::FIELDS]);
    schema.section("table", TableSettings::DOC, &[TableSettings::FIELDS]);
    let by_path = schema.keys.iter().enumerate();
    schema.by_path = by_path
        .map(|(number, key)| (key.path.clone(), number))
        .collect();
    schema
});

impl Schema {
    fn block(&mut self, path: &str, source: Option<&'static str>, doc: &'static str) {
        self.blocks.push(Block {
            path: path.to_owned(),
            source,
            doc,
        });
    }

    fn section(&mut self, path: &str, doc: &'static str, fields: &[&'static [Field]]) {
        self.block(path, None, doc);
        let fields: Vec<Field> = fields.iter().copied().flatten().copied().collect();
        self.fields(path, &fields, &[]);
    }

    /// Adds the fields of a table. Of several presets for one key, the first wins.
    fn fields(&mut self, path: &str, fields: &[Field], presets: &[(&str, &'static Preset)]) {
        for field in fields {
            if let Field::Key(key) = field {
                let preset = presets.iter().find(|(name, _)| *name == key.name);
                self.key(path, key.name, *key, preset.map(|(_, preset)| *preset));
            }
        }
        for field in fields {
            if let Field::Table(table) = field {
                let path = join(path, table.name);
                self.block(&path, table.source, table.doc);
                self.fields(&path, table.fields, &presets_within(table, presets));
            }
        }
    }

    fn key(&mut self, table: &str, name: &str, key: Key, preset: Option<&'static Preset>) {
        let kind = preset.and_then(|preset| preset.kind).unwrap_or(key.kind);
        self.keys.push(SpecKey {
            path: join(table, name),
            block: self.blocks.len() - 1,
            kind: match kind {
                Kind::Benchmark => BENCHMARK,
                Kind::List(Kind::Benchmark) => Kind::List(&BENCHMARK),
                kind => kind,
            },
            default: preset.map_or(key.default, |preset| Some(preset.default)),
            source: preset.map_or(key.source, |preset| preset.source),
            doc: key.doc,
            is_shared: false,
        });
    }

    /// Adds the table of each algorithm, with all keys that it may repeat: these have a default only
    /// where it differs from that of `[train]`.
    fn algorithms(&mut self) {
        let is_shared = |key: &&SpecKey| key.is_shared;
        let shared: Vec<(String, Kind, &'static str)> = self
            .keys
            .iter()
            .filter(is_shared)
            .map(|key| (relative(&key.path, "train"), key.kind, key.doc))
            .collect();
        for algorithm in Algorithm::ALL {
            let path = join("train", algorithm.name);
            self.block(&path, algorithm.source, algorithm.summary);
            for (name, kind, doc) in &shared {
                let preset = algorithm.presets.iter().find(|one| one.path == name);
                let key = Key {
                    name: "",
                    kind: *kind,
                    default: None,
                    source: None,
                    doc,
                };
                self.key(&path, name, key, preset);
            }
            if algorithm.has_reward {
                self.fields(&path, STAGE_FIELDS, &[]);
            }
            self.fields(&path, algorithm.fields, &[]);
        }
    }
}

/// The presets for the fields of a table: those of the tables around it, then its own.
fn presets_within<'a>(
    table: &Table,
    around: &[(&'a str, &'static Preset)],
) -> Vec<(&'a str, &'static Preset)> {
    let outer = around
        .iter()
        .filter_map(|(path, preset)| Some((rest_below(path, table.name)?, *preset)));
    let own = table.presets.iter().map(|preset| (preset.path, preset));
    outer.chain(own).collect()
}

/// The key with a whole path, such as `train.lr.peak`.
pub(super) fn find(path: &str) -> Option<&'static SpecKey> {
    SCHEMA.by_path.get(path).map(|number| &SCHEMA.keys[*number])
}

/// All keys, in the order in which they are declared.
pub(super) fn keys() -> &'static [SpecKey] {
    &SCHEMA.keys
}

/// All tables that are written with a header, in the order in which they are declared.
pub(super) fn blocks() -> &'static [Block] {
    &SCHEMA.blocks
}

/// Whether some key is below a path; the root, `grid` and the tables in it are sections too.
pub(super) fn is_section(path: &str) -> bool {
    path.is_empty() || path == "grid" || paths().any(|key| rest_below(key, path).is_some())
}

/// The names that may be directly in a section.
pub(super) fn names_in(section: &str) -> Vec<&'static str> {
    let mut names: Vec<&'static str> = paths()
        .filter_map(|key| {
            let rest = if section.is_empty() {
                Some(key)
            } else {
                rest_below(key, section)
            };
            rest?.split('.').next()
        })
        .collect();
    if section.is_empty() {
        names.push("grid");
    }
    names.sort_unstable();
    names.dedup();
    names
}

/// All paths, in alphabetical order.
pub(super) fn paths() -> impl Iterator<Item = &'static str> {
    SCHEMA.by_path.keys().map(String::as_str)
}

/// The paths of the keys that an algorithm's table may repeat, below `[train]`.
pub(super) fn shared_paths() -> impl Iterator<Item = &'static str> {
    let shared = SCHEMA.keys.iter().filter(|key| key.is_shared);
    shared.filter_map(|key| rest_below(&key.path, "train"))
}

/// The paths of the keys that take a table as one value.
pub(super) fn unions() -> impl Iterator<Item = &'static str> {
    static UNIONS: LazyLock<Vec<&'static str>> = LazyLock::new(|| {
        let is_union = |key: &&SpecKey| matches!(key.kind, Kind::Assignments | Kind::Weights(..));
        let keys = keys().iter().filter(is_union);
        keys.map(|key| key.path.as_str()).collect()
    });
    UNIONS.iter().copied()
}

/// Whether a path is a key of `[train]` that is repeated in the table of an algorithm.
pub(super) fn is_copy(path: &str) -> bool {
    let in_table = |algorithm: &str| rest_below(path, &join("train", algorithm));
    Algorithm::names()
        .into_iter()
        .filter_map(in_table)
        .any(|rest| shared_paths().any(|shared| shared == rest))
}

/// Why a setting cannot be an axis of the grid, if it cannot.
pub(super) fn reason_against_sweeping(path: &str) -> Option<&'static str> {
    match path.split('.').next() {
        Some("include" | "name" | "description" | "table" | "grid" | "report") => {
            Some("it belongs to the whole experiment, not to one point of it")
        }
        Some("run") if !matches!(path, "run" | "run.backend" | "run.seeds") => {
            Some("it says how to run, and changes no result")
        }
        _ => None,
    }
}

/// A path below a section.
pub(super) fn join(section: &str, key: &str) -> String {
    match (section, key) {
        ("", key) => key.to_owned(),
        (section, "") => section.to_owned(),
        (section, key) => format!("{section}.{key}"),
    }
}

fn relative(path: &str, section: &str) -> String {
    rest_below(path, section).unwrap_or(path).to_owned()
}

/// The rest of a path below a section, if it is below it.
pub(super) fn rest_below<'a>(key: &'a str, section: &str) -> Option<&'a str> {
    key.strip_prefix(section)?.strip_prefix('.')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_has_a_sentence() {
        for key in keys() {
            let doc = key.doc;
            assert!(
                doc.ends_with('.') && doc.starts_with(char::is_uppercase),
                "{}: {doc}",
                key.path
            );
        }
    }

    #[test]
    fn no_key_is_declared_twice() {
        assert_eq!(SCHEMA.keys.len(), SCHEMA.by_path.len());
    }

    #[test]
    fn every_preset_names_a_key() {
        for algorithm in Algorithm::ALL {
            for preset in algorithm.presets {
                let is_shared = shared_paths().any(|path| path == preset.path);
                assert!(is_shared, "{}: {}", algorithm.name, preset.path);
            }
        }
        for (table, fields) in [
            ("train", TrainSettings::FIELDS),
            ("eval", EvalSettings::FIELDS),
        ] {
            for field in fields {
                let Field::Table(inner) = field else { continue };
                for preset in inner.presets {
                    let path = join(&join(table, inner.name), preset.path);
                    assert_eq!(find(&path).unwrap().default, Some(preset.default), "{path}");
                }
            }
        }
    }

    #[test]
    fn sections_list_what_is_directly_in_them() {
        assert_eq!(
            names_in("reward"),
            ["clip", "custom", "normalizer", "scale", "tests"]
        );
        assert_eq!(
            names_in("train.lr"),
            ["floor", "peak", "schedule", "warmup_steps"]
        );
        assert!(names_in("").contains(&"grid"));
        assert!(!is_section("train.max_steps") && !is_section("trai"));
        for algorithm in Algorithm::names() {
            assert!(is_section(&join("train", algorithm)), "{algorithm}");
        }
    }
}
