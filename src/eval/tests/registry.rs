//! The registry of benchmarks: a row says all that the rest of the program asks.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use serde_json::json;

use crate::{
    data::{PromptTemplate, TaskFormat},
    eval::benchmark::{BENCHMARKS, Descriptor, names, open},
};

#[test]
fn an_unknown_benchmark_is_an_error_with_the_known_ones() {
    let error = open("arena", Path::new("x")).unwrap_err();
    let known: Vec<String> = names().map(|name| format!("`{name}`")).collect();
    let expected = known.join(", ");
    assert_eq!(
        error.to_string(),
        format!("unknown benchmark `arena`, expected one of {expected}")
    );
}

#[test]
fn each_benchmark_renders_its_template_and_reports_an_error_in_a_replaced_one() {
    let human_eval = json!({
        "task_id": "T/0", "prompt": "def f(x):\n", "entry_point": "f", "test": "",
        "canonical_solution": "    return x\n", "contract": "",
        "base_input": [[1]], "plus_input": [[2]], "atol": 0.0,
    });
    let arena = json!({
        "update": {
            "update_id": "u", "update_type": "add-argument", "function_path": "math.sqrt",
            "package": "math", "description": "", "docstring": "", "signature": "",
            "imports": "import math", "implementation": "def sqrt(x): pass",
        },
        "prog_syn_id": "t", "scenario": "", "problem": "", "solution_signature": "",
        "imports": "", "ref_solution": "x = 1", "unit_tests": "def test():\n    pass",
    });
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("datasets/prompts");
    let folder = tempfile::tempdir().unwrap();
    let (data, replaced) = (folder.path().join("data"), folder.path().join("mine.jinja"));
    fs::write(&replaced, "--- user ---\n\n{{ nonsense }}\n").unwrap();
    for Descriptor { name, format, .. } in BENCHMARKS {
        let (row, file) = match format {
            TaskFormat::HumanEval => (&human_eval, "human_eval.jinja"),
            TaskFormat::CodeUpdateArena => (&arena, "code_update_arena.jinja"),
            TaskFormat::NoteTrust => (&arena, "note_trust.jinja"),
        };
        fs::write(&data, row.to_string()).unwrap();
        let benchmark = open(name, &data).unwrap();
        let render = |path: &Path| {
            let template = PromptTemplate::load(path).unwrap();
            template.render(&benchmark.tasks()[0].fields)
        };

        render(&shipped.join(file)).unwrap();
        let error = render(&replaced).unwrap_err().to_string();

        let place = format!("`{}`, line 3: ", replaced.display());
        assert!(
            error.contains(&place) && error.contains("`nonsense`"),
            "{name}: {error}"
        );
    }
}

#[test]
fn each_row_is_complete_and_its_name_is_its_own() {
    let distinct: BTreeSet<&str> = names().collect();
    assert_eq!(distinct.len(), BENCHMARKS.len());
    for benchmark in BENCHMARKS {
        let Descriptor { name, summary, .. } = benchmark;
        assert!(
            name.chars().all(|c| c.is_ascii_lowercase() || c == '_'),
            "{name}"
        );
        assert!(summary.ends_with('.') && summary.len() <= 90, "{name}");
        assert!(benchmark.samples.parse::<usize>().unwrap() > 0, "{name}");
    }
}

#[test]
fn no_other_file_compares_a_benchmark_by_its_name() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let registry = source.join("eval/benchmark/registry.rs");
    let mut found = Vec::new();
    for path in rust_files(&source) {
        let text = fs::read_to_string(&path).unwrap();
        // Tests may name benchmarks, and so may the default of a setting.
        let production = text.split("#[cfg(test)]\nmod tests").next().unwrap();
        let lines = production
            .lines()
            .filter(|line| !line.contains("default = "));
        let production: String = lines.collect();
        for name in names() {
            if path != registry && production.contains(&format!("\"{name}\"")) {
                found.push(format!("{}: {name}", path.display()));
            }
        }
    }
    assert!(
        found.is_empty(),
        "give `Descriptor` a field instead: {found:#?}"
    );
}

/// The Rust files of a folder except those that hold only tests.
fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let only_tests = ["tests", "tests.rs", "example.rs", "fixture.rs", "golden.rs"];
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if only_tests.iter().any(|name| path.ends_with(name)) {
            continue;
        }
        if path.is_dir() {
            files.extend(rust_files(&path));
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            files.push(path);
        }
    }
    files
}
