//! The code in a model's answer.

use ruff_python_ast::Stmt;
use ruff_python_parser::parse_module;

use crate::answer::without_thinking;

/// The code in an answer to a task of `CodeUpdateArena`.
///
/// Text up to `</think>` is skipped. Within `<answer>`, if there is one, the first fenced block marked
/// `python` counts, as for the reward. Without one, the first fenced block of any kind counts, then a
/// block that is not closed (the answer was truncated), then the whole text if it is Python.
pub fn answer(text: &str) -> Option<String> {
    let text = without_thinking(text);
    let text = text.split_once("<answer>").map_or(text, |(_, rest)| rest);
    let text = text
        .split_once("</answer>")
        .map_or(text, |(inside, _)| inside);
    let fences = fences(text);
    let is_python = |fence: &&Fence<'_>| fence.label.eq_ignore_ascii_case("python");
    let closed = || fences.iter().filter(|fence| fence.is_closed);
    closed()
        .find(is_python)
        .or_else(|| closed().next())
        .or_else(|| fences.first())
        .map(|fence| fence.code)
        .or_else(|| parses(text).then_some(text))
        .map(|code| code.trim_matches('\n').to_owned())
        .filter(|code| !code.trim().is_empty())
}

/// The program in a completion of `prompt`, which defines `entry_point`.
///
/// The program is the longest run of lines that parses, in the fenced block that defines the function
/// or else in the whole text. Only its imports and the definitions that the function uses are kept, so
/// that usage examples do not run. If the answer only continues the prompt, it is appended to it.
pub fn function(text: &str, entry_point: &str, prompt: &str) -> Option<String> {
    let text = without_thinking(text);
    let fences = fences(text);
    let fenced = fences.iter().map(|fence| fence.code);
    for source in fenced.chain([text]) {
        let program = longest_program(source);
        if let Some(reached) = reachable(&program, entry_point) {
            return Some(reached);
        }
    }
    let body = fences.first().map_or(text, |fence| fence.code);
    // The last lines of a body may be truncated or be prose.
    let lines: Vec<&str> = body.lines().collect();
    (1..=lines.len())
        .rev()
        .filter_map(|end| lines.get(..end))
        .map(|lines| format!("{prompt}{}\n", lines.join("\n")))
        .find(|program| parses(program))
        .and_then(|program| reachable(&program, entry_point))
}

struct Fence<'a> {
    label: &'a str,
    code: &'a str,
    is_closed: bool,
}

fn fences(text: &str) -> Vec<Fence<'_>> {
    let mut fences = Vec::new();
    let mut rest = text;
    while let Some((_, after)) = rest.split_once("```") {
        let Some((label, code)) = after.split_once('\n') else {
            break;
        };
        let closing = if code.starts_with("```") {
            Some(0)
        } else {
            code.find("\n```")
        };
        let fence = closing.and_then(|at| code.split_at_checked(at));
        let (code, remainder) = fence.unwrap_or((code, ""));
        fences.push(Fence {
            label: label.trim(),
            code,
            is_closed: closing.is_some(),
        });
        rest = remainder.trim_start_matches('\n').trim_start_matches('`');
    }
    fences
}

fn parses(source: &str) -> bool {
    parse_module(source).is_ok()
}

/// The longest run of lines that parses, counted in lines that are not blank.
fn longest_program(source: &str) -> String {
    /// Parsing every run of more lines would take seconds.
    const LINES: usize = 200;
    if parses(source) {
        return source.to_owned();
    }
    let lines: Vec<&str> = source.lines().take(LINES).collect();
    let mut best = (0, String::new());
    for start in 0..lines.len() {
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

/// The imports of a program and the definitions that `entry_point` uses; none if it is not defined.
fn reachable(source: &str, entry_point: &str) -> Option<String> {
    let module = parse_module(source).ok()?;
    let statements: Vec<Statement<'_>> = module
        .syntax()
        .body
        .iter()
        .filter_map(|part| Statement::new(source, part))
        .collect();
    let mut wanted = vec![entry_point];
    let mut kept = vec![false; statements.len()];
    while let Some(name) = wanted.pop() {
        for (statement, kept) in statements.iter().zip(&mut kept) {
            if !*kept && statement.names.iter().any(|defined| defined == name) {
                *kept = true;
                wanted.extend(words(statement.text));
            }
        }
    }
    let is_defined = statements
        .iter()
        .any(|part| part.names.iter().any(|name| name == entry_point));
    let chosen = statements
        .iter()
        .zip(kept)
        .filter(|(part, kept)| part.is_import || *kept);
    is_defined.then(|| {
        chosen
            .map(|(part, _)| part.text)
            .collect::<Vec<_>>()
            .join("\n\n")
            + "\n"
    })
}

/// A top-level statement that may be kept.
struct Statement<'a> {
    text: &'a str,
    /// The names that it defines.
    names: Vec<String>,
    is_import: bool,
}

impl<'a> Statement<'a> {
    fn new(source: &'a str, statement: &Stmt) -> Option<Self> {
        use ruff_python_ast::Expr;
        let name_of = |target: &Expr| match target {
            Expr::Name(name) => vec![name.id.to_string()],
            Expr::Tuple(tuple) => tuple
                .elts
                .iter()
                .filter_map(|part| part.as_name_expr().map(|name| name.id.to_string()))
                .collect(),
            _ => Vec::new(),
        };
        let (range, names, is_import) = match statement {
            Stmt::Import(import) => (import.range, Vec::new(), true),
            Stmt::ImportFrom(import) => (import.range, Vec::new(), true),
            Stmt::FunctionDef(function) => (function.range, vec![function.name.to_string()], false),
            Stmt::ClassDef(class) => (class.range, vec![class.name.to_string()], false),
            Stmt::Assign(assign) => (
                assign.range,
                assign.targets.iter().flat_map(name_of).collect(),
                false,
            ),
            Stmt::AnnAssign(assign) => (assign.range, name_of(&assign.target), false),
            _ => return None,
        };
        let text = source.get(range.start().to_usize()..range.end().to_usize())?;
        Some(Self {
            text,
            names,
            is_import,
        })
    }
}

/// The identifiers in a text. Those in comments and strings only keep more definitions.
fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !(c.is_alphanumeric() || c == '_'))
        .filter(|word| !word.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_answer_is_the_python_fence_inside_the_answer() {
        let text = "```python\nno\n```</think>talk<answer>\n```text\nno\n```\n\
                    ```python\nx = 1\n```\n</answer>";
        assert_eq!(answer(text).unwrap(), "x = 1");
    }

    #[test]
    fn an_answer_without_a_proper_fence_falls_back_step_by_step() {
        let cases = [
            ("```\nx = 1\n```", Some("x = 1")),
            ("```python\nx = 1\ny = 2", Some("x = 1\ny = 2")),
            ("x = 1\n", Some("x = 1")),
            ("I do not know.", None),
            ("", None),
            ("```python\n```", None),
        ];
        for (text, expected) in cases {
            assert_eq!(answer(text).as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn of_a_chat_answer_the_function_and_what_it_uses_remain() {
        let text = "Here it is:\n```python\nimport math\nLIMIT = 3\n\ndef helper(x):\n    \
                    return x + LIMIT\n\ndef f(x):\n    return helper(x)\n\ndef unused(): pass\n\
                    print(f(1))\nassert f(1) == 5\n```\nDone.";
        let program = function(text, "f", "def f(x):\n").unwrap();
        assert_eq!(
            program,
            "import math\n\nLIMIT = 3\n\ndef helper(x):\n    return x + LIMIT\n\n\
             def f(x):\n    return helper(x)\n"
        );
    }

    #[test]
    fn prose_around_the_function_is_removed() {
        let text = "Sure, I can do it.\ndef f(x):\n    return x\nThis works well, since";
        assert_eq!(
            function(text, "f", "").unwrap(),
            "def f(x):\n    return x\n"
        );
    }

    #[test]
    fn an_answer_that_continues_the_prompt_is_appended_to_it() {
        let program = function("    return x\nThat was", "f", "def f(x):\n").unwrap();
        assert_eq!(program, "def f(x):\n    return x\n");
    }
}
