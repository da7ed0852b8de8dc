//! The rules of ARCHITECTURE.md that a compiler does not check.

#![expect(clippy::unwrap_used, reason = "a test may stop at what must not be")]

use std::{
    fs,
    path::{Path, PathBuf},
};

/// Each module, leaves first, and the modules that it may import.
const MAY_IMPORT: &[(&str, &[&str])] = &[
    ("seed", &[]),
    ("calendar", &[]),
    ("digest", &[]),
    ("device", &[]),
    ("world", &["seed"]),
    ("python", &[]),
    ("launch", &[]),
    ("remote", &[]),
    ("data", &["digest"]),
    ("memory", &[]),
    ("reward", &["data", "python"]),
    ("model", &["calendar", "device", "remote", "seed"]),
    ("train", &["digest", "model", "reward", "seed"]),
    (
        "eval",
        &["data", "digest", "model", "python", "remote", "seed"],
    ),
    (
        "spec",
        &[
            "data", "device", "digest", "eval", "launch", "model", "remote", "reward", "train",
        ],
    ),
    (
        "plan",
        &[
            "data", "device", "digest", "eval", "model", "remote", "reward", "spec", "train",
        ],
    ),
    ("results", &["digest", "plan"]),
    (
        "report",
        &["digest", "eval", "model", "plan", "results", "spec"],
    ),
    ("schedule", &["launch", "plan", "results"]),
    (
        "worker",
        &[
            "data", "device", "digest", "eval", "model", "plan", "python", "remote", "results",
            "reward", "seed", "train",
        ],
    ),
];

/// May import everything, and nothing may import them.
const TOP: &[&str] = &["cli", "lib", "main"];

#[test]
fn modules_import_only_what_the_map_allows() {
    for (module, allowed) in MAY_IMPORT {
        for (file, text) in sources(&source().join(module)) {
            for target in imports(&text) {
                let fine = target == *module || allowed.contains(&target);
                assert!(
                    fine,
                    "{}: `{module}` may not import `{target}`",
                    file.display()
                );
            }
            assert!(
                !text.contains("super::super"),
                "{}: write `crate::`",
                file.display()
            );
        }
    }
}

#[test]
fn the_map_has_no_cycle() {
    for (position, (module, allowed)) in MAY_IMPORT.iter().enumerate() {
        for target in *allowed {
            let earlier = MAY_IMPORT[..position]
                .iter()
                .any(|(name, _)| name == target);
            assert!(
                earlier,
                "`{module}` may import `{target}`: list `{target}` first"
            );
        }
    }
}

#[test]
fn every_module_is_on_the_map() {
    for entry in fs::read_dir(source()).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap();
        let mapped = MAY_IMPORT.iter().any(|(module, _)| *module == name);
        assert!(mapped || TOP.contains(&name), "`{name}` is not mapped");
    }
}

#[test]
fn only_device_knows_the_cargo_features() {
    for (file, text) in sources(&source()) {
        let gated = text.contains("feature = \"");
        assert!(
            !gated || file.ends_with("device.rs"),
            "{}: cfg(feature)",
            file.display()
        );
    }
}

/// First names of the `crate::a` and `crate::{a, b}` paths in `text`.
fn imports(text: &str) -> Vec<&str> {
    text.split("crate::")
        .skip(1)
        .flat_map(first_names)
        .filter(|name| !name.is_empty())
        .collect()
}

fn first_names(path: &str) -> Vec<&str> {
    let Some(group) = path.strip_prefix('{') else {
        return vec![identifier(path)];
    };
    let mut depth = 1;
    let end = group.find(|c| {
        depth += i32::from(c == '{') - i32::from(c == '}');
        depth == 0
    });
    let mut nested = 0;
    let (group, _) = group.split_at(end.unwrap());
    group
        .split(move |c| {
            nested += i32::from(c == '{') - i32::from(c == '}');
            c == ',' && nested == 0
        })
        .map(|name| identifier(name.trim_start()))
        .collect()
}

fn identifier(text: &str) -> &str {
    text.split(|c: char| !c.is_alphanumeric() && c != '_')
        .next()
        .unwrap()
}

fn source() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

/// The Rust files below `path`, or `path.rs`, without comment lines.
fn sources(path: &Path) -> Vec<(PathBuf, String)> {
    if let Ok(entries) = fs::read_dir(path) {
        return entries
            .flat_map(|entry| sources(&entry.unwrap().path()))
            .collect();
    }
    let file = path.with_extension("rs");
    let wanted = file.is_file() && (path == file || path.extension().is_none());
    if wanted {
        vec![(file.clone(), without_comments(&file))]
    } else {
        Vec::new()
    }
}

fn without_comments(file: &Path) -> String {
    let text = fs::read_to_string(file).unwrap();
    let code = text
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"));
    code.collect::<Vec<_>>().join("\n")
}
