//! The source files of the program as the rules see them: without test code, comments or literals.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// A Rust file of `src/`.
#[derive(Debug)]
pub(super) struct SourceFile {
    /// The path below `src/`, with `/`.
    pub(super) path: String,
    /// The path of its Rust module without the crate: `["train", "loss", "kl"]`.
    pub(super) module: Vec<String>,
    /// The whole text.
    pub(super) text: String,
    /// The text without `#[cfg(test)]` items; comments and literals are blanked, line by line.
    pub(super) code: String,
}

impl SourceFile {
    /// The top-level module of the file.
    pub(super) fn top(&self) -> &str {
        &self.module[0]
    }

    /// Whether the file is the `mod.rs` of its module.
    pub(super) fn is_mod(&self) -> bool {
        self.path.ends_with("/mod.rs")
    }
}

/// The root of the repository.
pub(super) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// All files below `folder` of the repository, sorted.
pub(super) fn files_below(folder: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![root().join(folder)];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

/// Every Rust file of `src/`, test files included.
pub(super) fn all_files() -> Vec<SourceFile> {
    files_below("src")
        .into_iter()
        .filter(|path| path.extension().is_some_and(|extension| extension == "rs"))
        .map(|path| {
            let text = fs::read_to_string(&path).unwrap();
            let below = path.strip_prefix(root().join("src")).unwrap();
            let path = below.to_str().unwrap().replace('\\', "/");
            SourceFile {
                module: module_of(&path),
                code: without_test_items(&blank(&text)),
                path,
                text,
            }
        })
        .collect()
}

/// The Rust files of `src/` that are part of the program: those that no `#[cfg(test)] mod` names.
pub(super) fn production_files() -> Vec<SourceFile> {
    let files = all_files();
    let test_modules: Vec<Vec<String>> = files.iter().flat_map(test_modules).collect();
    let is_test = |file: &SourceFile| {
        test_modules
            .iter()
            .any(|module| file.module.starts_with(module))
    };
    let (_, production) = files.into_iter().partition(is_test);
    production
}

/// The modules in other files that a file declares under `#[cfg(test)]`.
fn test_modules(file: &SourceFile) -> Vec<Vec<String>> {
    let code = blank(&file.text);
    let declared = code.split("#[cfg(test)]").skip(1).filter_map(|rest| {
        let item = rest.split_inclusive([';', '{']).next()?;
        let name = item.strip_suffix(';')?.trim();
        let (_, name) = name.rsplit_once(' ').filter(|(before, _)| {
            let before = before.trim();
            before == "mod" || before.ends_with(" mod")
        })?;
        let mut module = file.module.clone();
        module.push(name.to_owned());
        Some(module)
    });
    declared.collect()
}

fn module_of(path: &str) -> Vec<String> {
    let path = path.strip_suffix(".rs").unwrap();
    let path = path.strip_suffix("/mod").unwrap_or(path);
    path.split('/').map(str::to_owned).collect()
}

/// `text` with a space for every character of a comment, a string or a character literal.
pub(super) fn blank(text: &str) -> String {
    pieces(text)
        .into_iter()
        .map(|piece| match piece {
            Piece::Code(code) => code.to_owned(),
            Piece::Comment(other) | Piece::Literal(other) => other
                .chars()
                .map(|letter| if letter == '\n' { '\n' } else { ' ' })
                .collect(),
        })
        .collect()
}

/// A part of a Rust file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Piece<'a> {
    /// Program text.
    Code(&'a str),
    /// A comment with its slashes.
    Comment(&'a str),
    /// A string or character with its quotes.
    Literal(&'a str),
}

/// Splits a Rust file into code, comments and literals.
pub(super) fn pieces(text: &str) -> Vec<Piece<'_>> {
    let mut pieces = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let code = code_length(rest);
        if code > 0 {
            pieces.push(Piece::Code(&rest[..code]));
            rest = &rest[code..];
            continue;
        }
        let length = other_length(rest).expect("a comment or a literal begins here");
        let (piece, after) = rest.split_at(length);
        pieces.push(if piece.starts_with('/') {
            Piece::Comment(piece)
        } else {
            Piece::Literal(piece)
        });
        rest = after;
    }
    pieces
}

/// The bytes before the next comment or literal.
fn code_length(text: &str) -> usize {
    let mut previous = ' ';
    for (position, letter) in text.char_indices() {
        // The `r` of `for"` would not begin a raw string.
        let begins =
            !(previous.is_alphanumeric() || previous == '_') || matches!(letter, '"' | '\'' | '/');
        if begins && other_length(&text[position..]).is_some() {
            return position;
        }
        previous = letter;
    }
    text.len()
}

/// The bytes of the comment or literal that `text` begins with, if it begins with one.
fn other_length(text: &str) -> Option<usize> {
    if text.starts_with("//") {
        return Some(text.find('\n').unwrap_or(text.len()));
    }
    if text.starts_with("/*") {
        return Some(text.find("*/").map_or(text.len(), |end| end + 2));
    }
    let unprefixed = text.strip_prefix('b').unwrap_or(text);
    if let Some(raw) = unprefixed.strip_prefix('r') {
        let hashes = raw.len() - raw.trim_start_matches('#').len();
        if raw[hashes..].starts_with('"') {
            let end = format!("\"{}", &raw[..hashes]);
            let start = text.len() - raw.len() + hashes + 1;
            let length = text[start..]
                .find(&end)
                .map_or(text.len() - start, |at| at + end.len());
            return Some(start + length);
        }
    }
    if unprefixed.starts_with('"') {
        return Some(text.len() - unprefixed.len() + string_length(unprefixed));
    }
    character_length(unprefixed).map(|length| text.len() - unprefixed.len() + length)
}

fn string_length(text: &str) -> usize {
    let mut is_escaped = false;
    for (position, letter) in text.char_indices().skip(1) {
        if letter == '"' && !is_escaped {
            return position + 1;
        }
        is_escaped = letter == '\\' && !is_escaped;
    }
    text.len()
}

/// The bytes of a character literal; none for a lifetime.
fn character_length(text: &str) -> Option<usize> {
    let inside = text.strip_prefix('\'')?;
    if let Some(escaped) = inside.strip_prefix('\\') {
        let (first, _) = escaped.char_indices().nth(1)?;
        return escaped[first..].find('\'').map(|end| 2 + first + end + 1);
    }
    let letter = inside.chars().next()?;
    inside[letter.len_utf8()..]
        .starts_with('\'')
        .then(|| 1 + letter.len_utf8() + 1)
}

/// `code`, which is blanked already, without the items below `#[cfg(test)]`.
fn without_test_items(code: &str) -> String {
    const MARK: &str = "#[cfg(test)]";
    let mut kept = String::new();
    let mut rest = code;
    while let Some(start) = rest.find(MARK) {
        kept.push_str(&rest[..start]);
        rest = &rest[start + MARK.len()..];
        rest = &rest[item_length(rest)..];
    }
    kept + rest
}

/// The bytes of the item that `code` begins with: to its `;`, or to the end of its braces.
fn item_length(code: &str) -> usize {
    let mut depth = 0;
    for (position, letter) in code.char_indices() {
        match letter {
            '{' | '[' | '(' => depth += 1,
            '}' | ']' | ')' => depth -= 1,
            _ => {}
        }
        if depth == 0 && (letter == '}' || letter == ';') {
            return position + 1;
        }
    }
    code.len()
}

#[test]
fn literals_comments_and_test_items_are_no_code() {
    // Oracle: written by hand.
    let text = "fn f<'a>() -> &'a str { \"{ // \\\"\" } // }\nlet q = ('\"', b'\\'', r#\"\"{\"#);\n\
                #[cfg(test)]\nmod tests { fn g() { \"}\" } }\nconst A: u8 = 1;";
    let code = without_test_items(&blank(text));

    assert!(!code.contains(['"', '\\', '#']), "{code}");
    assert!(
        code.contains("fn f<'a>() -> &'a str {") && code.contains("const A"),
        "{code}"
    );
    assert!(!code.contains("mod tests"), "{code}");
    assert_eq!(blank(text).lines().count(), text.lines().count());
}
