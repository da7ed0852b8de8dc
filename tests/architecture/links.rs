//! Every file that a Markdown page links to, or names by its path, exists.

use std::fs;

use super::source::{files_below, root};

/// A path that begins with one of these is a path of the repository.
const FOLDERS: &[&str] = &[
    "benches/",
    "datasets/",
    "docs/",
    "examples/",
    "experiments/",
    "packaging/",
    "src/",
    "tests/",
];

#[test]
fn pages_name_only_files_that_exist() {
    let mut broken = Vec::new();
    let top = fs::read_dir(root())
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let pages = top
        .chain(files_below("docs"))
        .chain(files_below("datasets"))
        .filter(|path| path.extension().is_some_and(|extension| extension == "md"));
    for page in pages {
        let text = fs::read_to_string(&page).unwrap();
        for target in links(&text) {
            let is_there = page.parent().unwrap().join(target).exists();
            if !is_there {
                broken.push(format!("{}: {target}", page.display()));
            }
        }
        for path in named_paths(&text) {
            if !root().join(path).exists() {
                broken.push(format!("{}: {path}", page.display()));
            }
        }
    }
    assert!(broken.is_empty(), "there is no\n{}", broken.join("\n"));
}

/// The targets of relative links, without their anchors.
fn links(page: &str) -> Vec<&str> {
    let targets = page.split("](").skip(1);
    targets
        .filter_map(|rest| rest.split_once(')'))
        .filter_map(|(target, _)| target.split('#').next())
        .filter(|target| !target.is_empty() && !target.starts_with("http"))
        .collect()
}

/// The paths in backticks; not placeholders such as `src/reward/x.rs`, patterns, and what is made.
fn named_paths(page: &str) -> Vec<&str> {
    page.split('`')
        .skip(1)
        .step_by(2)
        .filter(|text| FOLDERS.iter().any(|folder| text.starts_with(folder)))
        .filter(|path| !path.contains(['{', '*', '<', ' ', '…']))
        .filter(|path| !path.contains("/x.") && !path.ends_with("corpus.jsonl"))
        .collect()
}

#[test]
fn links_and_paths_are_found() {
    // Oracle: written by hand.
    let page = "[a](b.md#c), [d](https://e), `src/f.rs`, `src/reward/x.rs`, `src/g/*.rs`, `h`";

    assert_eq!(links(page), ["b.md"]);
    assert_eq!(named_paths(page), ["src/f.rs"]);
}
