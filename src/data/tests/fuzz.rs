//! Files of data that nobody wrote: rows, archives, manifests, templates.

use std::{fs, io::Write as _};

use flate2::{Compression, write::GzEncoder};
use serde_json::{Value, json};

use crate::{
    data::{
        ArenaTask, Manifest, PromptTemplate, TrainingRow, as_form, from_form, from_python_json,
        passages, python_literal, read_code_update_arena, read_human_eval, read_training_rows,
        unpacked,
    },
    fuzz::{Case, fuzz, law, named},
};

const MIGRATIONS: &str = r#"{"dependency": "math", "new_version": "==5.5.2", "description": "d", "update_info": "renamed", "old_code": "import math\n", "new_code": "math.part(n) + 3"}
{"prompt": "a", "completion": "b"}
"#;

const TESTS: &str =
    r"def test_a():\n    x = 1\n\n    assert f(x) == 1\n\n# b\ndef test_b():\n    assert f(2.5)";

/// CodeUpdateArena's rows in each shape.
fn arena() -> Vec<String> {
    let update = r#"{"update_id": "u", "update_type": "t", "function_path": "math.sin", "package": "math", "description": "d", "docstring": "it's", "signature": "math.sin(x, y)", "imports": ["import math", "old_sin = math.sin"], "implementation": "def sin(x, y): pass"}"#;
    let example = format!(
        r#""prog_syn_id": "u:0", "scenario": "s", "problem": "p", "solution_signature": "def f(x):", "imports": "import re", "ref_solution": "def f(x): return x", "unit_tests": "{TESTS}""#
    );
    let literal = "{'update_id': 'u', 'update_type': 't', 'function_path': 'math.sin', 'package': 'math', 'description': 'd', 'docstring': 'd', 'signature': 's', 'imports': 'import math', 'implementation': 'def sin(x): pass', 'n': [1, -2.5, (True, None)]}";
    vec![
        format!("{{\"update\": {update}, {example}}}\n"),
        format!("{{\"updates\": [{update}, {update}], {example}}}\n"),
        format!("{{\"update\": {update}, \"prog_syn_examples\": [{{{example}}}]}}\n"),
        format!("{{\"update\": {}, {example}}}\n", Value::from(literal)),
    ]
}

const HUMAN_EVAL: [&str; 2] = [
    r#"{"task_id": "HumanEval/0", "prompt": "def f(x):\n", "entry_point": "f", "canonical_solution": "    return x\n", "test": "def check(f): pass", "score": NaN}
{"task_id": "HumanEval/1", "prompt": "p", "entry_point": "f", "canonical_solution": "c", "test": "t"}
"#,
    r#"{"task_id": "HumanEval/2", "prompt": "p", "entry_point": "f", "canonical_solution": "c", "test": "", "contract": "k", "base_input": [[1, 99999999999999999999999]], "plus_input": "[[[2.50], \"a,]\"]]", "atol": 1e-6}
"#,
];

/// The same bytes as an archive.
fn packed(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// The case as a file, which in some cases is an archive.
fn rows(case: &mut Case<'_>) -> std::path::PathBuf {
    if case.random.one_in(8) {
        case.bytes = packed(&case.bytes);
    }
    case.file("rows.jsonl")
}

#[test]
fn rows_to_train_on_are_read_or_refused() {
    fuzz(1, &[MIGRATIONS], |case| {
        let path = rows(case);
        let Some(rows) = named(read_training_rows(&path), &path)? else {
            return Ok(());
        };
        law(!rows.is_empty(), "a file has rows")?;
        let lines = rows.iter().map(|row| match row {
            TrainingRow::Migration(row) => json!(row).to_string() + "\n",
            TrainingRow::Text(row) => json!(row).to_string() + "\n",
        });
        fs::write(&path, lines.collect::<String>()).unwrap();
        let again = read_training_rows(&path).map_err(|error| error.to_string())?;
        law(again == rows, "rows that are written are read as they were")
    });
}

#[test]
fn tasks_of_code_update_arena_are_read_or_refused() {
    // A test of so many open brackets once ended the process: dropping its tree ran out of stack.
    let deep = arena()[0].replace(
        "assert f(2.5)",
        &format!("assert f({}", "[".repeat(100_000)),
    );
    let corpus = [arena(), vec![deep]].concat();
    fuzz(2, &corpus, |case| {
        let path = rows(case);
        let Some(tasks) = named(read_code_update_arena(&path), &path)? else {
            return Ok(());
        };
        let is_whole = |task: &ArenaTask| !task.unit_tests.is_empty();
        law(tasks.iter().all(is_whole), "a task has tests")?;
        let mut names: Vec<&str> = tasks.iter().map(|task| task.task_id.as_str()).collect();
        names.sort_unstable();
        names.dedup();
        law(names.len() == tasks.len(), "tasks have different names")?;
        let fields = tasks.iter().map(ArenaTask::prompt_fields);
        law(
            fields.into_iter().all(|fields| fields.is_object()),
            "a template has fields to show",
        )
    });
}

#[test]
fn tasks_of_human_eval_are_read_or_refused() {
    fuzz(1, &HUMAN_EVAL, |case| {
        let path = rows(case);
        let tasks = named(read_human_eval(&path), &path)?.unwrap_or_default();
        for plus in tasks.iter().filter_map(|task| task.plus.as_ref()) {
            law(plus.absolute_tolerance.is_finite(), "a tolerance is finite")?;
            for input in plus.base_inputs.iter().chain(&plus.plus_inputs) {
                let arguments = serde_json::from_str::<Vec<&serde_json::value::RawValue>>(input);
                law(arguments.is_ok(), "an input is a list of arguments")?;
            }
        }
        Ok(())
    });
}

#[test]
fn archives_are_unpacked_or_refused() {
    let members = [packed(b"one\n"), packed(b"two\n")].concat();
    let corpus = [packed(MIGRATIONS.as_bytes()), members, b"plain\n".to_vec()];
    fuzz(1, &corpus, |case| {
        let Ok(bytes) = unpacked(case.bytes.as_slice()) else {
            return Ok(());
        };
        let again = unpacked(packed(&bytes).as_slice());
        let marked = bytes.starts_with("\u{feff}".as_bytes());
        law(
            marked || again.is_ok_and(|again| again == bytes),
            "what is packed is unpacked",
        )
    });
}

#[test]
fn values_that_python_wrote_are_read_or_refused() {
    let json = [
        r#"{"a": NaN, "b": [Infinity, -Infinity, 1]}"#,
        r#"["\udc00x\ud83d\ude00\ud83d", "\\ud800"]"#,
        r#"{"a": [1e400, -1e400], "b": 1e-400}"#,
    ];
    fuzz(1, &json, |case| {
        let text = case.text();
        let Ok(plain) = serde_json::from_str::<Value>(&text) else {
            let read = from_python_json::<Value>(&text);
            return law(
                read.is_err() || text.contains(['N', 'I', '\\', 'e', 'E']) || text.len() > 100,
                "only what Python writes is read beyond JSON",
            );
        };
        let read = from_python_json::<Value>(&text);
        law(read.is_ok_and(|read| read == plain), "JSON is not changed")
    });
    let literals = [
        r"{'a': ['it\'s', '\u03c0 \x41'], 'b': (1, -2.5, True, None), 'c': {}}",
        r#""""text""" 'and' r'\raw'"#,
        "[1e999]",
        "9223372036854775808",
    ];
    fuzz(1, &literals, |case| {
        let text = case.text();
        let found = python_literal::parse(&text);
        // JSON has no number beyond all bounds, and null is another value.
        let is_null = |value: &Value| !text.contains("None") && value.to_string().contains("null");
        law(
            !found.as_ref().is_ok_and(is_null) || text.contains("null"),
            "only `None` is null",
        )
    });
}

#[test]
fn manifests_templates_and_forms_are_read_or_refused() {
    let manifest = "[x]\nkind = \"model\"\ndescription = \"d\"\nlicence = \"l\"\nhost = \"hub_model\"\nrepository = \"a/b\"\nrevision = \"main\"\nfiles = [\"f\", \"*.safetensors\"]\ngigabytes = 1.5\n[y]\nkind = \"benchmark\"\ndescription = \"d\"\nlicence = \"l\"\npath = \"p\"\n";
    fuzz(2, &[manifest], |case| {
        let path = case.file("manifest.toml");
        let manifest = named(Manifest::load(&path), &path)?;
        for entry in manifest.iter().flat_map(Manifest::entries) {
            let _ = (entry.identity(), entry.repository());
        }
        Ok(())
    });
    let template = "=== system ===\nYou are {{ dependency }}.\n=== user ===\n{% if old_code %}{{ old_code | trim }}{% else %}-{% endif %}\n{% for x in old_code | list %}{{ x }}{% endfor %}\n=== assistant ===\n<think>\n";
    let fields = json!({"dependency": "math", "old_code": "x = 1\n=== user ===\n"});
    fuzz(4, &[template], |case| {
        let path = case.file("prompt.jinja");
        if let Some(template) = named(PromptTemplate::load(&path), &path)? {
            named(template.render(&fields), &path)?;
        }
        Ok(())
    });
    let form = "=== dependency ===\nlib\n=== old_code ===\ndef f():\n\n    return 1\n=== uses ===\na.b\n.c\n";
    // An item of a list that looked like a field without the spaces before it once became one.
    let odd = "=== uses ===\n === b ===\n.c\n";
    fuzz(
        1,
        &[
            form,
            odd,
            "# 1.2\n\n- `a` is gone\n  now `b`\n\nText of `c`.\n",
        ],
        |case| {
            let text = case.text();
            let _ = passages(&text);
            let Ok(row) = from_form(&text) else {
                return Ok(());
            };
            let again = from_form(&as_form(&row));
            let is_kept = again.is_ok_and(|again| again.keys().eq(row.keys()));
            law(is_kept, "a form gives the row back")
        },
    );
}
