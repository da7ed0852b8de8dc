//! The messages about mistakes in a spec: one file for each section.

#![expect(clippy::too_many_lines, reason = "most lines are texts that users see")]

mod data;
mod defaults;
mod eval;
mod explain;
mod file;
mod fuzz;
mod garbled;
mod grid;
mod json_schema;
mod layers;
mod model;
mod reference;
mod resolve;
mod reward;
mod run;
mod table;
mod train;
mod words;

use std::{fs, path::Path};

use super::*;

const MANIFEST: &str = "\
[\"qwen2.5-coder-7b-instruct\"]
kind = \"model\"
description = \"d\"
licence = \"l\"
host = \"hub_model\"
repository = \"a/b\"
revision = \"main\"
files = [\"f\"]
[recode-train]
kind = \"migrations\"
description = \"d\"
licence = \"l\"
host = \"hub_dataset\"
repository = \"a/b\"
revision = \"main\"
files = [\"f\"]
";

/// A project with all files that a spec names by default.
fn project() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in [
        ("datasets/manifest.toml", MANIFEST),
        ("datasets/reference/recode.toml", "[table1]\n[table2]\n"),
        ("datasets/prompts/migration.jinja", ""),
        ("datasets/prompts/code_update_arena.jinja", ""),
        ("datasets/prompts/human_eval.jinja", ""),
        ("datasets/from_scratch/tokenizer.json", "{}"),
    ] {
        write(folder.path(), name, text);
    }
    folder
}

fn write(folder: &Path, name: &str, text: &str) {
    let path = folder.join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

fn load_in(
    folder: &Path,
    environment: &[(&str, &str)],
    overrides: &[&str],
) -> Result<Experiment, String> {
    let around = Surroundings::at(folder).unwrap();
    let environment: Vec<(String, String)> = environment
        .iter()
        .map(|(name, value)| ((*name).into(), (*value).into()))
        .collect();
    let overrides: Vec<String> = overrides.iter().map(|text| (*text).to_owned()).collect();
    let request = Request {
        file: &folder.join("x.toml"),
        overrides: &overrides,
        environment: &environment,
        around: &around,
    };
    load(&request).map_err(|mistakes| {
        let text = mistakes
            .to_string()
            .replace(&format!("{}/", folder.display()), "");
        without_lines_of_the_defaults(&text)
    })
}

/// The text without places in the built-in defaults, which move when a default is added.
fn without_lines_of_the_defaults(text: &str) -> String {
    let mut parts = text.split("defaults.toml):");
    let mut redacted = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        redacted.push_str("defaults.toml):…");
        redacted.push_str(part.trim_start_matches(|c: char| c.is_ascii_digit() || c == ':'));
    }
    redacted
}

fn experiment(text: &str) -> Experiment {
    let folder = project();
    write(folder.path(), "x.toml", text);
    load_in(folder.path(), &[], &[]).unwrap_or_else(|mistakes| panic!("{mistakes}"))
}

/// The mistakes of a spec.
fn mistakes(text: &str) -> String {
    let folder = project();
    write(folder.path(), "x.toml", text);
    load_in(folder.path(), &[], &[]).expect_err("the spec has mistakes")
}
