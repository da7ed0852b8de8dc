//! `docs/settings.md`, the reference of all settings.

use crate::{
    spec::{
        schema::{self, SpecKey},
        tests::defaults::assert_file,
    },
    train::Algorithm,
};

const HEADER: &str = "\
# Settings

Every key of a spec, made from the structs that read them (`./just snapshots`). `recode explain KEY`
prints the same for one key, and whether it may be an axis of `[grid]`. A key of `[train]` may be
repeated in the table of an algorithm, such as `[train.grpo]`, for that algorithm alone.
";

fn reference() -> String {
    let mut text = HEADER.to_owned();
    for (number, block) in schema::blocks().iter().enumerate() {
        let keys: Vec<&SpecKey> = schema::keys()
            .iter()
            .filter(|key| key.block == number && !is_plain_copy(key))
            .collect();
        if keys.is_empty() {
            continue;
        }
        let title = if block.path.is_empty() {
            "The top of a spec".to_owned()
        } else {
            format!("`[{}]`", block.path)
        };
        text.extend(["\n## ", &title, "\n", &sentence(block.doc), "\n"]);
        if let Some(source) = block.source {
            text.extend(["\nDefaults: ", source, ".\n"]);
        }
        text += "\n| key | value | default | meaning |\n|---|---|---|---|\n";
        for key in keys {
            text += &row(key, &block.path);
        }
    }
    text
}

/// Whether a key only repeats one of `[train]`.
fn is_plain_copy(key: &SpecKey) -> bool {
    key.default.is_none() && schema::is_copy(&key.path)
}

fn row(key: &SpecKey, section: &str) -> String {
    let name = schema::rest_below(&key.path, section).unwrap_or(&key.path);
    let default = match (key.default, key.source) {
        (Some(default), Some(source)) => format!("`{default}` ({source})"),
        (Some(default), None) => format!("`{default}`"),
        (None, _) => String::new(),
    };
    let cells = [key.kind.describe(), default, key.doc.to_owned()];
    let cells: Vec<String> = cells.iter().map(|cell| cell.replace('|', "\\|")).collect();
    format!("| `{name}` | {} |\n", cells.join(" | "))
}

fn sentence(text: &str) -> String {
    if text.ends_with('.') {
        text.to_owned()
    } else {
        format!("{text}.")
    }
}

#[test]
fn the_reference_of_settings_is_what_the_structs_say() {
    assert_file("docs/settings.md", &reference());
}

#[test]
fn the_reference_names_every_algorithm() {
    for algorithm in Algorithm::names() {
        assert!(reference().contains(&format!("`[train.{algorithm}]`")));
    }
}
