//! Python among other lines.

use std::collections::BTreeSet;

use crate::syntax::{Grammar, bound_names, check_syntax};

/// Whether a text is Python.
pub(super) fn parses(source: &str) -> bool {
    check_syntax(source, Grammar::Python313).is_ok()
}

/// Whether a text is Python and binds all of some names.
pub(super) fn binds(source: &str, names: &BTreeSet<String>) -> bool {
    // Most texts lack a name, and need not be parsed.
    names.iter().all(|name| source.contains(name.as_str()))
        && bound_names(source).is_ok_and(|bound| bound.is_superset(names))
}

/// The longest run of lines that is Python, counted in lines that are not blank.
pub fn longest_program(source: &str) -> String {
    /// Parsing every run of more lines would take seconds.
    const LINES: usize = 200;
    if parses(source) {
        return source.to_owned();
    }
    let lines: Vec<&str> = source.lines().take(LINES).collect();
    let mut best = (0, String::new());
    for (start, first) in lines.iter().enumerate() {
        if first.trim_start().len() < first.len() || first.is_empty() {
            continue;
        }
        for end in (start + 1..=lines.len()).rev() {
            let run = lines.get(start..end).unwrap_or_default();
            let size = run.iter().filter(|line| !line.trim().is_empty()).count();
            if size <= best.0 {
                break;
            }
            let text = run.join("\n");
            if parses(&text) {
                best = (size, text);
                break;
            }
        }
    }
    best.1
}

/// The text without the white space with which all its lines start.
pub(super) fn dedented(text: &str) -> String {
    let lines = || text.lines().filter(|line| !line.trim().is_empty());
    let indent = |line: &str| line.len() - line.trim_start_matches([' ', '\t']).len();
    let first = lines().next().unwrap_or_default();
    let longest = first.get(..indent(first)).unwrap_or_default();
    let common = lines().fold(longest, |common, line| {
        let same = common.bytes().zip(line.bytes());
        let same = same.take_while(|(own, other)| own == other).count();
        common.get(..same).unwrap_or_default()
    });
    let without = |line| str::strip_prefix(line, common).unwrap_or_default();
    text.lines().map(without).collect::<Vec<_>>().join("\n")
}
