//! The rows of CodeUpdateArena's files.
//!
//! Three shapes are read: a row for each update, with its tasks, tests and imports as lists; the same
//! with lists joined into one text; a row for each task, with its update nested inside. A task of ours
//! may need several updates at once: it has a list `updates` in the place of `update`.

use ruff_python_ast::Stmt;
use ruff_python_parser::parse_module;
use serde::Deserialize;
use serde_json::Value;

use super::{ArenaTask, ArenaUpdate};
use crate::{
    data::{jsonl::row_reason, odd_json::from_extreme_json, python_literal},
    syntax::{Grammar, with_syntax_tree},
};

#[derive(Deserialize)]
struct Example {
    prog_syn_id: String,
    #[serde(default)]
    scenario: String,
    problem: String,
    solution_signature: String,
    #[serde(alias = "prog_syn_imports", deserialize_with = "joined_lines")]
    imports: String,
    ref_solution: String,
    unit_tests: Lines,
}

/// The same content as a list, or joined into one text.
#[derive(Deserialize)]
#[serde(untagged)]
enum Lines {
    List(Vec<String>),
    Joined(String),
}

/// For fields that may be a list of lines.
pub(super) fn joined_lines<'de, D: serde::Deserializer<'de>>(
    deserializer: D,
) -> Result<String, D::Error> {
    Ok(match Lines::deserialize(deserializer)? {
        Lines::List(lines) => lines.join("\n"),
        Lines::Joined(text) => text,
    })
}

/// The tasks of a row of any shape.
pub(super) fn parse_line(line: &str) -> Result<Vec<ArenaTask>, String> {
    let mut row: Value = from_extreme_json(line).map_err(|error| row_reason(line, &error))?;
    let updates = updates(&mut row)?;
    let examples = match row.get_mut("prog_syn_examples") {
        Some(examples) => structured(Some(examples), "prog_syn_examples")?,
        None => Value::Array(vec![row]),
    };
    let examples: Vec<Example> =
        serde_json::from_value(examples).map_err(|error| error.to_string())?;
    examples
        .into_iter()
        .map(|example| task(&updates, example))
        .collect()
}

/// The changes of a row: `update`, or the list `updates`.
fn updates(row: &mut Value) -> Result<Vec<ArenaUpdate>, String> {
    let Some(several) = row.get_mut("updates") else {
        let update = structured(row.get_mut("update"), "update")?;
        return serde_json::from_value(update)
            .map(|update| vec![update])
            .map_err(|error| format!("in `update`: {error}"));
    };
    let updates: Vec<ArenaUpdate> =
        serde_json::from_value(several.take()).map_err(|error| format!("in `updates`: {error}"))?;
    match (row.get("update"), updates.is_empty()) {
        (Some(_), _) => Err("both `update` and `updates`, expected one of them".to_owned()),
        (None, true) => Err("`updates` is empty".to_owned()),
        (None, false) => Ok(updates),
    }
}

/// A part of a row that may also be written as a text: the literal that Python's `repr` prints.
fn structured(part: Option<&mut Value>, name: &str) -> Result<Value, String> {
    match part.map(Value::take) {
        Some(Value::String(text)) => {
            python_literal::parse(&text).map_err(|reason| format!("in `{name}`: {reason}"))
        }
        Some(value) => Ok(value),
        None => Err(format!("missing field `{name}`")),
    }
}

fn task(updates: &[ArenaUpdate], example: Example) -> Result<ArenaTask, String> {
    let unit_tests = match example.unit_tests {
        Lines::List(tests) => tests,
        Lines::Joined(text) => split_tests(&text)
            .map_err(|reason| format!("in `unit_tests` of `{}`: {reason}", example.prog_syn_id))?,
    };
    if unit_tests.is_empty() {
        return Err(format!("`{}` has no unit tests", example.prog_syn_id));
    }
    let (update, further_updates) = updates
        .split_first()
        .ok_or_else(|| "missing field `update`".to_owned())?;
    Ok(ArenaTask {
        task_id: example.prog_syn_id,
        update: update.clone(),
        further_updates: further_updates.to_vec(),
        scenario: example.scenario,
        problem: example.problem,
        solution_signature: example.solution_signature,
        imports: example.imports,
        reference_solution: example.ref_solution,
        unit_tests,
    })
}

/// Cuts a Python text into one text a function, at the first blank line between two functions.
///
/// A test may hold blank lines itself, so that only a parse finds where one ends; comments before a
/// test stay with it.
fn split_tests(text: &str) -> Result<Vec<String>, String> {
    // A text that nests deeply is refused: dropping its tree would need more stack than there is.
    with_syntax_tree(text, Grammar::Python313, |_| ()).map_err(|fault| fault.to_string())?;
    // The source of that tree has other line ends; tests keep theirs.
    let module = parse_module(text).map_err(|error| error.to_string())?;
    let functions: Vec<_> = module
        .syntax()
        .body
        .iter()
        .filter_map(|statement| match statement {
            Stmt::FunctionDef(function) => Some(function.range),
            _ => None,
        })
        .collect();
    let mut tests = Vec::new();
    let mut start = 0;
    for pair in functions.windows(2) {
        let (end, next) = (pair[0].end().to_usize(), pair[1].start().to_usize());
        let gap = text.get(end..next).unwrap_or_default();
        let (cut, blank) = gap.find("\n\n").map_or((gap.len(), 0), |at| (at, 2));
        tests.push(text.get(start..end + cut).unwrap_or_default().to_owned());
        start = end + cut + blank;
    }
    if !functions.is_empty() {
        tests.push(text.get(start..).unwrap_or_default().to_owned());
    }
    Ok(tests)
}

#[cfg(test)]
mod tests {
    use std::{
        fs,
        path::{Path, PathBuf},
    };

    use serde_json::json;

    use super::*;
    use crate::data::read_code_update_arena;

    const TESTS: [&str; 2] = [
        "# a comment before\ndef test_a():\n    x = 1\n\n    assert f(x) == 1\n    ",
        "def test_b():\n    text = \"\"\"\n\ndef no():\n\"\"\"\n    assert f(2) == 2",
    ];

    fn update(imports: Value) -> Value {
        let mut update = json!({
            "update_id": "u", "update_type": "add-argument", "function_path": "math.sin",
            "package": "math", "description": "d", "rationale": "r", "docstring": "it's \"s\"\n",
            "signature": "math.sin(x, y)", "implementation": "def sin(x, y): pass",
        });
        update["imports"] = imports;
        update
    }

    fn example(imports: &str, lines: Value, tests: Value) -> Value {
        let mut example = json!({
            "prog_syn_id": "u:0", "scenario": "s", "problem": "p",
            "solution_signature": "def f(x):", "ref_solution": "def f(x): return x",
        });
        example[imports] = lines;
        example["unit_tests"] = tests;
        example
    }

    fn read(row: &Value) -> Result<Vec<ArenaTask>, String> {
        parse_line(&row.to_string())
    }

    /// The text that Python's `repr` would print, for values without other literals than strings.
    fn repr(value: &Value) -> String {
        match value {
            Value::String(text) => format!("'{}'", text.escape_default()),
            Value::Array(items) => {
                format!(
                    "[{}]",
                    items.iter().map(repr).collect::<Vec<_>>().join(", ")
                )
            }
            Value::Object(map) => {
                let items = map
                    .iter()
                    .map(|(key, value)| format!("'{key}': {}", repr(value)));
                format!("{{{}}}", items.collect::<Vec<_>>().join(", "))
            }
            other => other.to_string(),
        }
    }

    #[test]
    fn the_shapes_of_the_file_give_the_same_task() {
        let lists = json!({
            "update": update(json!(["import math", "old_sin = math.sin"])),
            "prog_syn_examples":
                [example("imports", json!(["import math", "import re"]), json!(TESTS))],
        });
        let update = update(json!("import math\nold_sin = math.sin"));
        let example = example(
            "prog_syn_imports",
            json!("import math\nimport re"),
            json!(TESTS.join("\n\n")),
        );
        let joined = json!({"update": update, "prog_syn_examples": [example]});
        let written = json!({
            "update": repr(&update), "prog_syn_examples": repr(&json!([example])),
        });
        let mut flat = example.clone();
        flat["update"] = update;

        let expected = read(&lists).unwrap();

        assert_eq!(expected[0].unit_tests, TESTS);
        assert_eq!(expected[0].imports, "import math\nimport re");
        assert_eq!(
            expected[0].update.imports,
            "import math\nold_sin = math.sin"
        );
        for (shape, row) in [("joined", joined), ("repr", written), ("flat", flat)] {
            assert_eq!(read(&row).unwrap(), expected, "{shape}");
        }
    }

    #[test]
    fn a_row_that_lacks_something_is_refused_with_its_name() {
        let whole = json!({
            "update": update(json!([])),
            "prog_syn_examples": [example("imports", json!([]), json!(TESTS))],
        });
        let mut without_update = whole.clone();
        without_update.as_object_mut().unwrap().remove("update");
        let mut without_docstring = whole.clone();
        without_docstring["update"]
            .as_object_mut()
            .unwrap()
            .remove("docstring");
        let mut without_tests = whole.clone();
        without_tests["prog_syn_examples"][0]["unit_tests"] = json!("");
        let mut broken_tests = whole;
        broken_tests["prog_syn_examples"][0]["unit_tests"] = json!("def (");

        for (row, reason) in [
            (without_update, "missing field `update`"),
            (without_docstring, "in `update`: missing field `docstring`"),
            (without_tests, "`u:0` has no unit tests"),
            (broken_tests, "in `unit_tests` of `u:0`: "),
        ] {
            let error = read(&row).unwrap_err();
            assert!(error.starts_with(reason), "{error}");
        }
    }

    #[test]
    fn a_task_with_several_updates_shows_all_their_notes() {
        let mut second = update(json!([]));
        second["function_path"] = json!("math.cos");
        second["docstring"] = json!("it's cos");
        let mut row = example("imports", json!(""), json!(TESTS));
        row["updates"] = json!([update(json!([])), second]);

        let task = read(&row).unwrap().swap_remove(0);
        let fields = task.prompt_fields();

        let paths: Vec<&str> = task
            .updates()
            .map(|update| update.function_path.as_str())
            .collect();
        assert_eq!(paths, ["math.sin", "math.cos"]);
        assert_eq!(fields["docstring"], "it's \"s\"\n\n\nit's cos");
        assert_eq!(fields["updates"][1]["docstring"], "it's cos");
        assert_eq!(fields["function_path"], "math.sin, math.cos");
    }

    #[test]
    fn a_list_of_updates_has_one_at_least_and_stands_alone() {
        let mut row = example("imports", json!(""), json!(TESTS));
        row["updates"] = json!([]);
        assert_eq!(read(&row).unwrap_err(), "`updates` is empty");

        row["updates"] = json!([update(json!([])), {}]);
        let error = read(&row).unwrap_err();
        assert!(error.starts_with("in `updates`: missing field"), "{error}");

        row["updates"] = json!([update(json!([]))]);
        row["update"] = update(json!([]));
        assert!(read(&row).unwrap_err().starts_with("both `update`"));
    }

    #[test]
    fn two_tasks_of_one_name_are_refused() {
        let mut row = example("imports", json!(""), json!(TESTS));
        row["update"] = update(json!(""));
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), format!("{row}\n{row}\n")).unwrap();

        let error = read_code_update_arena(file.path()).unwrap_err().to_string();

        assert!(
            error.ends_with("task `u:0` is the same as task number 1"),
            "{error}"
        );
    }

    #[test]
    #[ignore = "needs the conformance data: just conformance"]
    fn the_published_files_agree_in_both_shapes() {
        let folder = shared().join("data/code_update_arena");

        let lists = read_code_update_arena(&folder.join("arena.jsonl.gz")).unwrap();
        let joined = read_code_update_arena(&folder.join("arena_joined.jsonl.gz")).unwrap();

        // Oracle: the counts that come with the data: 577 tasks, 3,611 unit tests. The lists are
        // what splitting must find again; a cut at every blank line would miss 4 tasks.
        assert_eq!(lists.len(), 577);
        assert_eq!(
            lists
                .iter()
                .map(|task| task.unit_tests.len())
                .sum::<usize>(),
            3_611
        );
        for (list, joined) in lists.iter().zip(&joined) {
            assert_eq!(list, joined);
        }
        assert_eq!(lists.len(), joined.len());
    }

    fn shared() -> PathBuf {
        let sibling = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared");
        std::env::var_os("RECODE_SHARED").map_or(sibling, PathBuf::from)
    }
}
