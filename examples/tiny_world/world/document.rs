//! Prompts and answers as a tiny model reads and writes them.
//!
//! The templates in `datasets/tiny/prompts` render the same texts from the rows; a test compares
//! them.

use super::{
    api::Api,
    program::{Problem, Written, plain},
    style::Choices,
    update::Update,
};

/// A prompt and the completion that a model learns for it.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub(super) struct Document {
    pub(super) prompt: String,
    pub(super) completion: String,
}

/// The program, migrated to some updates.
pub(super) fn updated(problem: &Problem<'_>, updates: &[&Update<'_>]) -> String {
    problem.code(&|api, arguments| call(updates, api, arguments))
}

/// The same in another style.
pub(super) fn updated_in(
    style: &Choices,
    problem: &Problem<'_>,
    updates: &[&Update<'_>],
) -> String {
    problem.code_in(style, &|api, arguments| call(updates, api, arguments))
}

/// A call after some updates.
fn call(updates: &[&Update<'_>], api: &Api, arguments: &[&str]) -> Written {
    match updates.iter().find(|update| update.api == api) {
        Some(update) => Written {
            module: update.module().to_owned(),
            call: update.call(arguments),
        },
        None => plain(api, arguments),
    }
}

/// A prompt: a note, if there is one, and a program to migrate or a function to complete.
pub(super) fn prompt(note: Option<&str>, code: &str) -> String {
    let note = note.map_or_else(String::new, |note| format!("<doc>\n{note}\n</doc>\n"));
    format!("{note}```python\n{code}\n```\n<think>")
}

/// An answer in the paper's format, after a thought.
pub(super) fn answer(thought: &str, code: &str) -> String {
    let thought = if thought.is_empty() {
        String::new()
    } else {
        format!("\n{thought}")
    };
    format!("{thought}\n</think>\n<answer>\n```python\n{code}\n```\n</answer>")
}

/// An answer without the tags that the format asks for.
pub(super) fn careless_answer(thought: &str, code: &str) -> String {
    answer(thought, code)
        .replace("<answer>\n", "")
        .replace("\n</answer>", "")
}
