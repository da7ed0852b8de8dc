//! The paths that a file writes: `crate::a::{b, c as d}`, `super::x`, `self::y`.

/// A path of names, with the name under which a `use` brings it in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct UsedPath {
    /// The names, `crate`, `super` or `self` first where they are written.
    pub(super) names: Vec<String>,
    /// The local name; the last of the names unless an `as` gives another.
    pub(super) alias: String,
}

/// The paths of all `use` items of `code`, in which comments and literals are blanked.
pub(super) fn imports(code: &str) -> Vec<UsedPath> {
    let mut found = Vec::new();
    for (position, _) in code.match_indices("use ") {
        let before = code[..position].chars().next_back().unwrap_or(' ');
        if before.is_alphanumeric() || before == '_' {
            continue;
        }
        let tree = code[position + 4..].split(';').next().unwrap();
        expand(&[], tree, &mut found);
    }
    found
}

/// The paths that `code` writes outside of `use` items and that begin with `crate`, `super` or
/// `self`, or with a name of `locals`.
pub(super) fn inline_paths(code: &str, locals: &[String]) -> Vec<UsedPath> {
    let mut found = Vec::new();
    for (position, _) in code.match_indices("::") {
        let first = trailing_name(&code[..position]);
        let before = &code[..position - first.len()];
        let begins = matches!(first, "crate" | "super" | "self")
            || locals.iter().any(|local| local == first);
        if first.is_empty() || before.ends_with("::") || before.ends_with('.') || !begins {
            continue;
        }
        let mut names = vec![first.to_owned()];
        let mut rest = &code[position..];
        while let Some(after) = rest.strip_prefix("::") {
            let name = leading_name(after);
            if name.is_empty() {
                break;
            }
            names.push(name.to_owned());
            rest = &after[name.len()..];
        }
        let alias = names.last().unwrap().clone();
        found.push(UsedPath { names, alias });
    }
    found
}

/// Adds the paths of a `use` tree below `prefix`.
fn expand(prefix: &[String], tree: &str, found: &mut Vec<UsedPath>) {
    let tree = tree.trim();
    if let Some(group) = tree.strip_prefix('{') {
        for branch in branches(group.trim_end().trim_end_matches('}')) {
            expand(prefix, branch, found);
        }
        return;
    }
    let name = leading_name(tree);
    let rest = tree[name.len()..].trim_start();
    let mut names = prefix.to_vec();
    if name != "self" || prefix.is_empty() {
        names.push(if name.is_empty() { "*" } else { name }.to_owned());
    }
    if let Some(rest) = rest.strip_prefix("::") {
        expand(&names, rest, found);
        return;
    }
    if name.is_empty() && !tree.starts_with('*') {
        return;
    }
    let alias = rest.strip_prefix("as ").map_or_else(
        || names.last().unwrap().clone(),
        |alias| leading_name(alias.trim()).to_owned(),
    );
    found.push(UsedPath { names, alias });
}

/// Splits the inside of a group at the commas of its own level.
fn branches(group: &str) -> Vec<&str> {
    let mut depth = 0;
    group
        .split(move |letter| {
            depth += i32::from(letter == '{') - i32::from(letter == '}');
            letter == ',' && depth == 0
        })
        .filter(|branch| !branch.trim().is_empty())
        .collect()
}

fn is_part(letter: char) -> bool {
    letter.is_alphanumeric() || letter == '_'
}

fn leading_name(text: &str) -> &str {
    &text[..text.find(|letter| !is_part(letter)).unwrap_or(text.len())]
}

fn trailing_name(text: &str) -> &str {
    &text[text.rfind(|letter| !is_part(letter)).map_or(0, |at| at + 1)..]
}

#[test]
fn groups_and_aliases_are_expanded() {
    // Oracle: written by hand.
    let code =
        "pub use crate::a::{self, b::{C, D as E}, f};\nuse super::*;\nlet x = self::g::h(1);";
    let shown = |paths: Vec<UsedPath>| -> Vec<String> {
        let show = |path: &UsedPath| format!("{} = {}", path.alias, path.names.join("::"));
        paths.iter().map(show).collect()
    };

    let expected = [
        "a = crate::a",
        "C = crate::a::b::C",
        "E = crate::a::b::D",
        "f = crate::a::f",
        "* = super::*",
    ];
    assert_eq!(shown(imports(code)), expected);
    let inline = shown(inline_paths(
        "x::y::z(); self::g::h(1); a.x::y; q::x::y",
        &["x".to_owned()],
    ));
    assert_eq!(inline, ["z = x::y::z", "h = self::g::h"]);
}
