//! The code in a model's answer, as the benchmarks want it.

mod needed;

#[cfg(test)]
mod tests;

use std::{borrow::Cow, collections::BTreeSet};

use crate::{
    answer::{Answer, longest_program},
    syntax::{Grammar, Names, Statement, StatementKind, check_syntax, statements},
};

use needed::needed;

/// The code in an answer to a task that wants a function of that name.
///
/// The fenced code that defines it counts, then other fenced code, which may be truncated, then the text if it is Python.
pub fn answer(text: &str, function: &str) -> Option<String> {
    let code = Answer::read(text).code(function)?;
    let code = code.trim_matches('\n');
    (!code.trim().is_empty()).then(|| code.to_owned())
}

/// The program in a completion of `prompt`, which defines `entry_point`.
///
/// The program is the longest run of lines that parses, in the fenced block that defines the function
/// or else in the whole text. What the function does not need is left out, so that usage examples do not run. If the
/// answer only continues the prompt, it is appended to it.
pub fn function(text: &str, entry_point: &str, prompt: &str) -> Option<String> {
    let answer = Answer::read(text);
    let sources = answer.sources(entry_point);
    let programs = sources.iter().filter(|source| source.contains(entry_point));
    let mut programs = programs.map(|source| longest_program(source));
    if let Some(program) = programs.find_map(|program| needed(&program, entry_point)) {
        return Some(with_imports(program, &sources));
    }
    // The last lines of a body may be truncated or be prose.
    let lines: Vec<&str> = answer.continuation().lines().collect();
    (1..=lines.len())
        .rev()
        .filter_map(|end| lines.get(..end))
        .map(|lines| format!("{prompt}{}\n", lines.join("\n")))
        .find(|program| check_syntax(program, Grammar::Python313).is_ok())
        .and_then(|program| needed(&program, entry_point))
}

/// A program with the imports of names that it lacks, which may be in fences of their own.
fn with_imports(program: String, sources: &[String]) -> String {
    let names = |source: &str| statements(source).unwrap_or_default();
    let own = names(&program);
    let bound: BTreeSet<&str> = all_of(&own, |names| &names.binds);
    let lacking: BTreeSet<&str> = all_of(&own, |names| &names.needs);
    let lacking: BTreeSet<&str> = lacking.difference(&bound).copied().collect();
    let others = sources.iter().filter(|source| source.contains("import"));
    let others = others.flat_map(|source| names(source));
    let is_lacking = |statement: &Statement| {
        let mut binds = statement.names.binds.iter().map(String::as_str);
        statement.kind == StatementKind::Import && binds.any(|name| lacking.contains(name))
    };
    let imports: BTreeSet<String> = others
        .filter(is_lacking)
        .map(|statement| statement.text)
        .collect();
    if imports.is_empty() {
        return program;
    }
    let (future, program) = split_future(&program);
    let imports = imports.iter().map(String::as_str);
    let lines: Vec<&str> = [&*future].into_iter().chain(imports).collect();
    format!("{}\n\n{program}", lines.join("\n").trim_start())
}

fn all_of(statements: &[Statement], set: impl Fn(&Names) -> &BTreeSet<String>) -> BTreeSet<&str> {
    let names = statements
        .iter()
        .flat_map(|statement| set(&statement.names));
    names.map(String::as_str).collect()
}

/// The name of the function in its `def` line.
pub fn function_name(signature: &str) -> &str {
    let after = signature
        .split_once("def ")
        .map_or(signature, |(_, after)| after);
    let is_end = |c: char| !(c.is_alphanumeric() || c == '_');
    after.trim_start().split(is_end).next().unwrap_or_default()
}

/// Splits `from __future__` imports off a program, because Python wants them before everything else.
pub fn split_future(program: &str) -> (String, Cow<'_, str>) {
    const MODULE: &str = "__future__";
    if !program.contains(MODULE) {
        return (String::new(), Cow::Borrowed(program));
    }
    let unix = program.replace("\r\n", "\n").replace('\r', "\n");
    let Ok(statements) = statements(&unix) else {
        return (String::new(), Cow::Borrowed(program));
    };
    let is_future = |statement: &&Statement| {
        statement.kind == StatementKind::Import && statement.text.contains(MODULE)
    };
    let mut rest = unix.clone();
    let mut imports = Vec::new();
    for import in statements.iter().filter(is_future).rev() {
        imports.insert(0, import.text.as_str());
        rest.replace_range(import.range.clone(), "pass");
    }
    (imports.join("\n"), Cow::Owned(rest))
}
