//! No text of the project has a word that `docs/words.md` rules out.
//!
//! Read are the comments, the help texts and the messages of Rust files, and the whole of all other
//! texts that people write here. Text in backticks of a Markdown file is quoted, and may have any
//! word.

use std::fs;

use super::source::{Piece, files_below, pieces, root};

/// Words and pairs of words that have a plainer one; `docs/words.md` says which.
const BANNED: &[&str] = &["anew", "save for", "tell", "telling", "tells", "told"];

/// The folders and files that are read.
const READ: &[&str] = &[
    ".ci",
    "benches",
    "datasets/make",
    "docs",
    "examples",
    "experiments",
    "src",
    "tests",
];

/// Files that are not read: this one, and texts that are data, whose bytes are fixed.
const NOT_READ: &[&str] = &[
    "datasets/make/multi_update.py",
    "tests/architecture/words.rs",
];

#[test]
fn no_text_has_a_banned_word() {
    let mut found = Vec::new();
    for path in paths() {
        let Ok(text) = fs::read_to_string(root().join(&path)) else {
            continue;
        };
        if NOT_READ.contains(&path.as_str()) {
            continue;
        }
        for (number, line) in prose(&path, &text).lines().enumerate() {
            for banned in banned_in(line) {
                found.push(format!("{path}:{}: {banned}", number + 1));
            }
        }
    }
    assert!(
        found.is_empty(),
        "see docs/words.md for what to write:\n{}",
        found.join("\n")
    );
}

/// The texts of the repository that people write, without data and recorded values.
fn paths() -> Vec<String> {
    let files = READ.iter().flat_map(|folder| files_below(folder));
    let top = fs::read_dir(root())
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let mut paths: Vec<String> = files
        .chain(top)
        .chain([
            root().join("datasets/README.md"),
            root().join("datasets/manifest.toml"),
        ])
        .filter(|path| {
            let kind = path.extension().and_then(|extension| extension.to_str());
            let name = path.file_name().unwrap();
            matches!(kind, Some("rs" | "md" | "toml" | "py" | "sh")) || name == "justfile"
        })
        .map(|path| {
            let below = path.strip_prefix(root()).unwrap();
            below.to_str().unwrap().replace('\\', "/")
        })
        .collect();
    paths.sort();
    paths
}

/// `text` with a space for what is not prose, line by line.
fn prose(path: &str, text: &str) -> String {
    let blank = |text: &str| -> String {
        let blank = |letter| if letter == '\n' { '\n' } else { ' ' };
        text.chars().map(blank).collect()
    };
    let kind = path.rsplit('.').next();
    if kind == Some("rs") {
        let prose = pieces(text).into_iter().map(|piece| match piece {
            Piece::Comment(comment) => comment.to_owned(),
            // A literal without a space is a name.
            Piece::Literal(literal) if literal.trim().contains(' ') => literal.to_owned(),
            Piece::Literal(other) | Piece::Code(other) => blank(other),
        });
        return prose.collect();
    }
    if kind == Some("md") {
        let prose = text.split('`').enumerate().map(|(place, part)| {
            if place % 2 == 0 {
                part.to_owned()
            } else {
                blank(part)
            }
        });
        return prose.collect();
    }
    text.to_owned()
}

/// The banned words of a line.
fn banned_in(line: &str) -> Vec<&'static str> {
    let line = line.to_lowercase();
    let words: Vec<&str> = line
        .split(|letter: char| !letter.is_alphanumeric() && letter != '_')
        .filter(|word| !word.is_empty())
        .collect();
    let has = |banned: &&&str| {
        let banned: Vec<&str> = banned.split(' ').collect();
        words.windows(banned.len()).any(|words| words == banned)
    };
    BANNED.iter().filter(has).copied().collect()
}

#[test]
fn prose_is_found_and_code_is_not() {
    // Oracle: written by hand.
    let text = "fn tell() {} // Told.\nlet s = \"tells\"; let t = \"it tells\"; // save  for";
    let lines: Vec<_> = prose("a.rs", text).lines().map(banned_in).collect();
    assert_eq!(lines, [vec!["told"], vec!["save for", "tells"]]);

    let text = "It `tells` of\n```\ntold\n```\nanew";
    let lines: Vec<_> = prose("a.md", text).lines().flat_map(banned_in).collect();
    assert_eq!(lines, ["anew"]);
}
