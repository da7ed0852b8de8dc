//! What `recode explain` says about a key, a section or an error code.

use std::fmt::Write as _;

use super::{
    code::Code,
    schema::{self, SpecKey, join, rest_below},
    suggest::nearest,
};
use crate::train::Algorithm;

/// What `[grid]` is, for `recode explain` and the JSON Schema.
pub(super) const GRID: &str = "The axes of the experiment: each is the path of a setting in quotes with the list of its values, and all are crossed. Axes in a [[grid.zip]] move together. A [[grid.exclude]] removes points, a [[grid.when]] changes settings (`set`) where a condition (`if`) holds, a [[grid.add]] adds one point.";

/// What a word of a spec means: a key or its last part, a section, or an error code such as `E101`.
///
/// The error says that there is no such word, or that it means several keys.
pub fn explain(word: &str) -> Result<String, String> {
    describe(word).map(|text| text.trim_end().to_owned())
}

fn describe(word: &str) -> Result<String, String> {
    if let Some(code) = Code::ALL
        .iter()
        .find(|code| code.name().eq_ignore_ascii_case(word))
    {
        return Ok(of_code(*code));
    }
    if word == "grid" {
        return Ok(format!("grid: {GRID}\n"));
    }
    if let Some(key) = schema::find(word) {
        return Ok(of_key(key));
    }
    if !word.is_empty() && schema::is_section(word) {
        return Ok(of_section(word));
    }
    let keys: Vec<&SpecKey> = schema::keys()
        .iter()
        .filter(|key| ends_with(&key.path, word) && !schema::is_copy(&key.path))
        .collect();
    match keys.as_slice() {
        [] => match sections_called(word).as_slice() {
            [] => Err(unknown(word)),
            [section] => Ok(of_section(section)),
            sections => Err(several(word, &list(sections.iter().map(String::as_str)))),
        },
        [key] => Ok(of_key(key)),
        keys => Err(several(
            word,
            &list(keys.iter().map(|key| key.path.as_str())),
        )),
    }
}

fn several(word: &str, paths: &str) -> String {
    format!("`{word}` is in several sections; name one of them:\n{paths}")
}

fn list<'a>(paths: impl Iterator<Item = &'a str>) -> String {
    let lines: Vec<String> = paths.map(|path| format!("  {path}")).collect();
    lines.join("\n")
}

fn ends_with(path: &str, word: &str) -> bool {
    path.strip_suffix(word)
        .is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
}

fn sections_called(word: &str) -> Vec<String> {
    let blocks = schema::blocks().iter();
    blocks
        .filter(|block| !block.path.is_empty() && ends_with(&block.path, word))
        .map(|block| block.path.clone())
        .collect()
}

fn unknown(word: &str) -> String {
    let title = format!("no key of a spec, no section and no error code is called `{word}`");
    let last = |path: &'static str| path.rsplit('.').next().unwrap_or(path);
    let guess = if word.contains('.') {
        nearest(word, schema::paths())
    } else {
        nearest(word, schema::paths().map(last)).or_else(|| nearest(word, schema::paths()))
    };
    match guess {
        Some(guess) => format!("{title}; did you mean `{guess}`?"),
        None => format!("{title}; `recode schema` prints all keys"),
    }
}

fn of_key(key: &SpecKey) -> String {
    let mut text = format!("{}: {}\n\n", key.path, key.doc);
    let mut row = |name: &str, value: &str| {
        let _ = writeln!(text, "  {name:<9}{value}");
    };
    row("value", &key.kind.describe());
    row("default", &default_of(key));
    match schema::reason_against_sweeping(&key.path) {
        Some(reason) => row("axis", &format!("no: {reason}")),
        None => row("axis", &format!("yes: [grid] \"{}\" = [...]", key.path)),
    }
    if key.is_shared {
        let name = rest_below(&key.path, "train").unwrap_or(&key.path);
        row(
            "see also",
            &format!(
                "`{name}` in the table of an algorithm, such as [train.grpo], for that algorithm alone"
            ),
        );
        let others = schema::keys().iter().filter(|one| {
            one.default.is_some() && ends_with(&one.path, name) && schema::is_copy(&one.path)
        });
        for other in others {
            row("", &format!("{} = {}", other.path, default_of(other)));
        }
    }
    text
}

fn default_of(key: &SpecKey) -> String {
    let block = &schema::blocks()[key.block];
    match key.default {
        Some(default) => match key.source.or(block.source) {
            Some(source) => format!("{default}  ({source})"),
            None => default.to_owned(),
        },
        None if schema::is_copy(&key.path) => {
            let shared = shared_path(&key.path).and_then(|path| schema::find(&path));
            shared.map_or_else(String::new, |shared| {
                format!("that of {}: {}", shared.path, default_of(shared))
            })
        }
        None => "none".to_owned(),
    }
}

/// The path of `[train]` that a table of an algorithm repeats.
fn shared_path(path: &str) -> Option<String> {
    let (_, rest) = rest_below(path, "train")?.split_once('.')?;
    Some(join("train", rest))
}

fn of_section(section: &str) -> String {
    let block = schema::blocks().iter().find(|block| block.path == section);
    let Some(block) = block else {
        return of_repeated_section(section);
    };
    let mut text = format!("[{section}]: {}\n\n", block.doc);
    for name in schema::names_in(section) {
        let path = join(section, name);
        match schema::find(&path) {
            // What an algorithm's table repeats is explained in [train].
            Some(key) if schema::is_copy(&path) && key.default.is_none() => {}
            Some(key) => {
                let _ = writeln!(text, "  {name}: {}", key.doc);
            }
            None if shared_path(&path).is_some_and(|shared| schema::is_section(&shared)) => {}
            None => {
                let _ = writeln!(text, "  {name}: a section");
            }
        }
    }
    let is_algorithm = |name: &&str| section == join("train", name);
    if Algorithm::names().iter().any(is_algorithm) {
        text += "\nIt may also repeat any other key of [train], such as `max_steps` or `lr.peak`, for this \
                 algorithm alone.\n";
    }
    text
}

/// The table of an algorithm repeats the tables of [train], such as `lr`.
fn of_repeated_section(section: &str) -> String {
    let shared = shared_path(section).unwrap_or_default();
    let text = of_section(&shared);
    let keys = text.split_once("\n\n").map_or("", |(_, keys)| keys);
    format!("[{section}]: The keys of [{shared}], for this algorithm alone.\n\n{keys}")
}

fn of_code(code: Code) -> String {
    format!(
        "{}: {}\n\n  to mend it  {}\n",
        code.name(),
        code.meaning(),
        code.remedy()
    )
}
