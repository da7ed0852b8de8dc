//! The code in a model's answer, as the benchmarks want it.

mod builtins;
mod needed;
mod shown;

#[cfg(test)]
mod tests;

use std::{borrow::Cow, collections::BTreeSet};

use crate::{
    answer::{Answer, longest_program},
    syntax::{Grammar, Import, Names, Statement, StatementKind, check_syntax, imports, statements},
};

use builtins::is_builtin;
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
        return Some(with_imports(program, &answer));
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
///
/// The first import of a name counts. A name of Python's own is not lacking: a solution that calls `pow` may share its
/// answer with an example that imports `pow` from `math`.
fn with_imports(program: String, answer: &Answer) -> String {
    let Ok(own) = statements(&program) else {
        return program;
    };
    let bound = all_of(&own, |names| &names.binds);
    let needs = all_of(&own, |names| &names.needs);
    let is_lacking =
        |name: &str| needs.contains(name) && !bound.contains(name) && !is_builtin(name);
    let mut chosen: Vec<Import> = Vec::new();
    let fences = answer.fenced_codes().into_iter();
    for import in fences.flat_map(|code| imports(code).unwrap_or_default()) {
        let mut same_name = chosen.iter().filter(|other| other.name == import.name);
        let is_known = same_name.any(|other| other.text == import.text || !add_up(other, &import));
        if is_lacking(&import.name) && !is_known {
            chosen.push(import);
        }
    }
    if chosen.is_empty() {
        return program;
    }
    let imports: Vec<String> = chosen.iter().map(|import| tried(&import.text)).collect();
    let place = own
        .iter()
        .enumerate()
        .take_while(|(at, statement)| is_docstring(*at, statement) || is_future(statement))
        .last()
        .map_or(0, |(_, statement)| statement.range.end);
    let (before, after) = program.split_at_checked(place).unwrap_or(("", &program));
    let parts = [before, &imports.join("\n"), after.trim_start_matches('\n')];
    let parts = parts.into_iter().filter(|part| !part.is_empty());
    parts.collect::<Vec<_>>().join("\n\n")
}

/// Whether two imports of one name bind the same package, of which each loads a part: `import a.b` and `import a.c`.
fn add_up(one: &Import, other: &Import) -> bool {
    let is_of_package = |import: &Import| {
        let module = import.text.strip_prefix("import ");
        module.is_some_and(|module| !module.contains(' '))
    };
    is_of_package(one) && is_of_package(other)
}

fn all_of(statements: &[Statement], set: impl Fn(&Names) -> &BTreeSet<String>) -> BTreeSet<&str> {
    let names = statements
        .iter()
        .flat_map(|statement| set(&statement.names));
    names.map(String::as_str).collect()
}

/// Runs a statement whose failure does not matter, not even if Python does not compile it.
fn tried(text: &str) -> String {
    let text = text.replace('\\', "\\\\").replace('\'', "\\'");
    format!("try:\n    exec('''{text}''')\nexcept BaseException:\n    pass")
}

/// The name of the function in its `def` line.
pub fn function_name(signature: &str) -> &str {
    let after = signature
        .split_once("def ")
        .map_or(signature, |(_, after)| after);
    let is_end = |c: char| !(c.is_alphanumeric() || c == '_');
    after.trim_start().split(is_end).next().unwrap_or_default()
}

/// The module whose imports Python wants before everything else, except the docstring.
const FUTURE: &str = "__future__";

fn is_future(statement: &Statement) -> bool {
    statement.kind == StatementKind::Import && statement.text.contains(FUTURE)
}

/// Whether a statement, counted from 0, is the docstring of its module.
fn is_docstring(at: usize, statement: &Statement) -> bool {
    at == 0 && statement.kind == StatementKind::Text
}

/// Splits `from __future__` imports off a program, because Python wants them before everything else.
pub fn split_future(program: &str) -> (String, Cow<'_, str>) {
    if !program.contains(FUTURE) {
        return (String::new(), Cow::Borrowed(program));
    }
    let unix = program.replace("\r\n", "\n").replace('\r', "\n");
    let Ok(statements) = statements(&unix) else {
        return (String::new(), Cow::Borrowed(program));
    };
    let mut rest = unix.clone();
    let mut imports = Vec::new();
    for import in statements.iter().filter(|one| is_future(one)).rev() {
        imports.insert(0, import.text.as_str());
        rest.replace_range(import.range.clone(), "pass");
    }
    (imports.join("\n"), Cow::Owned(rest))
}
