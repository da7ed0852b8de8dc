//! The rules of ARCHITECTURE.md that a compiler does not check: who may import whom (here), no
//! circles within a module, no long files, plain words.

#![expect(clippy::unwrap_used, reason = "a test may stop at what must not be")]
#![expect(clippy::string_slice, reason = "positions are found in the same text")]

mod circles;
mod files;
mod links;
mod paths;
mod source;
mod words;

use std::{collections::BTreeSet, env, fs};

use paths::{imports, inline_paths};
use source::{SourceFile, all_files, root};

/// Each module, leaves first, and the modules that it may import.
const MAY_IMPORT: &[(&str, &[&str])] = &[
    ("fuzz", &[]),
    ("seed", &[]),
    ("digest", &[]),
    ("disk", &["fuzz"]),
    ("shipped", &["disk"]),
    ("settings", &[]),
    ("device", &[]),
    ("allocator", &[]),
    ("syntax", &[]),
    ("answer", &["syntax"]),
    ("sandbox", &["disk", "fuzz"]),
    ("launch", &[]),
    ("ranks", &[]),
    ("remote", &["fuzz", "settings"]),
    (
        "data",
        &["digest", "disk", "fuzz", "seed", "settings", "syntax"],
    ),
    ("reward", &["answer", "sandbox", "settings", "syntax"]),
    (
        "model",
        &["device", "disk", "fuzz", "remote", "seed", "settings"],
    ),
    (
        "train",
        &[
            "digest", "disk", "model", "ranks", "remote", "reward", "seed", "settings",
        ],
    ),
    (
        "eval",
        &[
            "answer", "data", "digest", "disk", "fuzz", "model", "ranks", "remote", "sandbox",
            "seed", "settings", "syntax",
        ],
    ),
    (
        "spec",
        &[
            "data", "device", "eval", "fuzz", "model", "remote", "reward", "settings", "train",
        ],
    ),
    (
        "plan",
        &[
            "data", "device", "digest", "eval", "model", "remote", "reward", "spec", "train",
        ],
    ),
    (
        "results",
        &["digest", "disk", "eval", "fuzz", "plan", "train"],
    ),
    (
        "report",
        &[
            "data", "digest", "disk", "eval", "model", "plan", "results", "reward", "spec", "train",
        ],
    ),
    ("schedule", &["launch", "plan", "results"]),
    (
        "engine",
        &[
            "digest", "disk", "plan", "results", "schedule", "settings", "spec",
        ],
    ),
    (
        "worker",
        &[
            "data", "device", "digest", "disk", "eval", "launch", "model", "plan", "ranks",
            "remote", "results", "reward", "sandbox", "seed", "train",
        ],
    ),
];

/// The modules that may import everything and that no other module may import.
const TOP: &[&str] = &["cli", "lib", "main"];

#[test]
fn modules_import_only_what_the_map_allows() {
    for file in all_files() {
        let Some((module, allowed)) = MAY_IMPORT.iter().find(|(name, _)| *name == file.top())
        else {
            continue;
        };
        for target in imported(&file) {
            let is_allowed = target == *module || allowed.contains(&target.as_str());
            assert!(
                is_allowed,
                "src/{}: `{module}` may not import `{target}`",
                file.path
            );
        }
        assert!(
            !file.code.contains("super::super::"),
            "src/{}: write `crate::`",
            file.path
        );
    }
}

#[test]
fn every_permission_of_the_map_is_used() {
    let files = all_files();
    let mut unused = Vec::new();
    for (module, allowed) in MAY_IMPORT {
        let used: BTreeSet<String> = files
            .iter()
            .filter(|file| file.top() == *module)
            .flat_map(imported)
            .collect();
        let unused_here = allowed.iter().filter(|target| !used.contains(**target));
        unused.extend(unused_here.map(|target| format!("`{module}` never imports `{target}`")));
    }
    assert!(
        unused.is_empty(),
        "take these permissions off the map:\n{}",
        unused.join("\n")
    );
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
    for entry in fs::read_dir(root().join("src")).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap();
        let is_mapped = MAY_IMPORT.iter().any(|(module, _)| *module == name);
        assert!(is_mapped || TOP.contains(&name), "`{name}` is not mapped");
    }
    for (module, _) in MAY_IMPORT {
        let path = root().join("src").join(module);
        let is_there = path.is_dir() || path.with_extension("rs").is_file();
        assert!(is_there, "there is no module `{module}`");
    }
}

/// `INSTA_UPDATE=always`, which `just snapshots` sets, writes the table into the document; what a
/// module owns stays as it is there.
#[test]
fn the_table_of_the_document_is_the_map() {
    let path = root().join("ARCHITECTURE.md");
    let document = fs::read_to_string(&path).unwrap();
    let (before, rest) = document.split_once(TABLE_HEAD).expect("the table's head");
    let end = rest.find("\n\n").expect("a paragraph after the table");
    let (present, after) = rest.split_at(end);
    let owned = |module: &str| {
        let row = present
            .lines()
            .find(|row| row.starts_with(&format!("| `{module}` |")));
        row.and_then(|row| row.split(" | ").nth(1))
            .unwrap_or("(not described)")
    };
    let row =
        |module: &str, allowed: String| format!("| `{module}` | {} | {allowed} |", owned(module));
    let mut rows: Vec<String> = MAY_IMPORT
        .iter()
        .map(|(module, allowed)| row(module, in_words(allowed)))
        .collect();
    rows.push(row("cli", "all".to_owned()));
    let wanted = rows.join("\n");

    if present != wanted && env::var("INSTA_UPDATE").is_ok_and(|update| update == "always") {
        fs::write(&path, format!("{before}{TABLE_HEAD}{wanted}{after}")).unwrap();
        return;
    }
    assert_eq!(present, wanted, "`just snapshots` writes the table");
    assert!(
        !present.contains("(not described)"),
        "say what the new module owns"
    );
}

/// The head of the table in ARCHITECTURE.md.
const TABLE_HEAD: &str = "| module | owns | may import |\n|---|---|---|\n";

fn in_words(allowed: &[&str]) -> String {
    if allowed.is_empty() {
        return "–".to_owned();
    }
    let names: Vec<String> = allowed.iter().map(|name| format!("`{name}`")).collect();
    names.join(" ")
}

#[test]
fn only_device_knows_the_cargo_features() {
    for file in all_files() {
        let is_gated = file
            .text
            .lines()
            .any(|line| line.contains("feature = \"") && !line.trim_start().starts_with("//"));
        assert!(
            // Kernels for GPUs compile only with the backends that run them.
            !is_gated || ["device.rs", "model/ops/gpu/mod.rs"].contains(&&*file.path),
            "src/{}: cfg(feature)",
            file.path
        );
    }
}

/// The top-level modules that a file names, test code included.
fn imported(file: &SourceFile) -> BTreeSet<String> {
    let code = source::blank(&file.text);
    let used = imports(&code).into_iter().chain(inline_paths(&code, &[]));
    used.filter(|used| used.names[0] == "crate")
        .filter_map(|used| used.names.into_iter().nth(1))
        .collect()
}
