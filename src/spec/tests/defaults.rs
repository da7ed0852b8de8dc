//! `defaults.toml` is what the declarations of the settings say.

use std::{env, fs, path::Path};

use crate::spec::schema::{self, Block, SpecKey};

const HEADER: &str = "\
# What holds where a spec says nothing. The values are the paper's (ReCode, arXiv 2506.20495) unless
# a line says otherwise; \"TRL\" is the library of the paper's GRPO script, \"verl\" that of its DAPO
# script, \"PEFT\" that of its adapters.
#
# This file is made from the structs of settings (`./just snapshots`): change the defaults there.
";

/// The column of the comments.
const COMMENT: usize = 38;

fn defaults() -> String {
    let mut text = HEADER.to_owned();
    for (number, block) in schema::blocks().iter().enumerate() {
        if block.path.is_empty() {
            continue;
        }
        text.push('\n');
        text += &line(&format!("[{}]", block.path), block.source);
        for key in schema::keys().iter().filter(|key| key.block == number) {
            if let Some(default) = key.default {
                let name = name_in(key, block);
                text += &line(&format!("{name} = {default}"), key.source);
            }
        }
    }
    text
}

fn name_in<'a>(key: &'a SpecKey, block: &Block) -> &'a str {
    schema::rest_below(&key.path, &block.path).unwrap()
}

fn line(setting: &str, comment: Option<&str>) -> String {
    match comment {
        Some(comment) if setting.len() < COMMENT => format!("{setting:COMMENT$}# {comment}\n"),
        Some(comment) => format!("{setting}   # {comment}\n"),
        None => format!("{setting}\n"),
    }
}

/// Compares a file of the repository with the text that it is to have. `INSTA_UPDATE=always`, which
/// renews all snapshots, writes it instead.
pub(super) fn assert_file(path: &str, text: &str) {
    let whole = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    if env::var("INSTA_UPDATE").is_ok_and(|update| update == "always") {
        fs::write(&whole, text).unwrap();
    }
    let there = fs::read_to_string(&whole).unwrap_or_default();
    assert!(
        there == text,
        "{path} is out of date: run `./just snapshots`"
    );
}

#[test]
fn the_file_of_defaults_is_what_the_structs_say() {
    assert_file("src/spec/defaults.toml", &defaults());
}

#[test]
fn every_default_is_a_value_of_its_key() {
    let folder = super::project();
    super::write(folder.path(), "x.toml", "name = \"x\"\n");
    // The defaults are a layer like any other, so that their mistakes would be reported.
    super::load_in(folder.path(), &[], &[]).unwrap();
}
