//! The tasks of the tiny world are judged as they should be.

use std::{
    fs,
    path::{Path, PathBuf},
};

use recode::{
    data::{read_code_update_arena, read_training_rows},
    eval::benchmark,
    sandbox::{Pool, Settings},
};
use serde_json::Value;

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn tiny(file: &str) -> PathBuf {
    root().join("datasets/tiny").join(file)
}

fn raw_rows(file: &str) -> Vec<Value> {
    let text = fs::read_to_string(tiny(file)).expect("a shipped file");
    text.lines()
        .map(|line| serde_json::from_str(line).expect("a line of JSON"))
        .collect()
}

/// Judges one program for each task of a set: the task, whether the program passes, and whether it
/// needs the update to pass.
fn judged(name: &str, file: &str, text: &dyn Fn(&Value) -> String) -> Vec<(String, bool, bool)> {
    let bench = benchmark::open(name, &tiny(file)).expect("a benchmark");
    let settings = Settings {
        workers: 2,
        is_unsandboxed_allowed: true,
        ..Settings::default()
    };
    let pool = Pool::start(&settings).expect("servers of Python");
    bench
        .tasks()
        .iter()
        .zip(raw_rows(file))
        .map(|(task, row)| {
            let verdict = bench.judge(task, &text(&row), &pool).expect("a verdict");
            let upass = verdict.measures.get("upass").copied().unwrap_or(false);
            (task.id.clone(), verdict.passed, upass)
        })
        .collect()
}

fn text(name: &'static str) -> impl Fn(&Value) -> String {
    move |row| row[name].as_str().expect("a text").to_owned()
}

#[test]
fn reference_solutions_pass_and_need_their_updates() {
    for file in ["arena.jsonl", "probe.jsonl"] {
        for (task, passed, upass) in judged("mini_arena", file, &text("ref_solution")) {
            // A program that passes the old default explicitly is right before the update as well.
            let needs = !task.contains("default_value");
            assert!(passed && upass == needs, "{task}");
        }
    }
}

#[test]
fn a_program_that_ignores_the_note_fails() {
    for file in ["arena.jsonl", "probe.jsonl"] {
        for (task, passed, _) in judged("mini_arena", file, &text("old_solution")) {
            assert!(!passed, "{task}");
        }
    }
}

#[test]
fn a_note_about_something_else_changes_no_solution() {
    for row in raw_rows("other_note.jsonl") {
        assert_eq!(row["ref_solution"], row["old_solution"]);
    }
    for (task, passed, upass) in judged("mini_arena", "other_note.jsonl", &text("ref_solution")) {
        assert!(passed && !upass, "{task}");
    }
}

#[test]
fn canonical_solutions_of_functions_without_a_note_pass() {
    let solution = |row: &Value| {
        let part = |name: &str| row[name].as_str().unwrap().to_owned();
        part("prompt") + &part("canonical_solution")
    };
    for (task, passed, _) in judged("humaneval", "general.jsonl", &solution) {
        assert!(passed, "{task}");
    }
}

#[test]
fn the_readers_accept_every_set() {
    assert_eq!(
        read_training_rows(&tiny("migrations.jsonl")).unwrap().len(),
        1200
    );
    assert_eq!(
        read_training_rows(&tiny("migrations_mixed.jsonl"))
            .unwrap()
            .len(),
        1200
    );
    for (file, rows) in [
        ("arena.jsonl", 168),
        ("probe.jsonl", 42),
        ("other_note.jsonl", 96),
    ] {
        assert_eq!(
            read_code_update_arena(&tiny(file)).unwrap().len(),
            rows,
            "{file}"
        );
    }
    assert!(Path::new(&tiny("multi.jsonl")).is_file());
}

/// Oracle: the data set, which has a solution that heeds its note and one that ignores it.
#[test]
fn a_solution_that_ignores_all_notes_is_right_unless_its_note_is() {
    let bench = benchmark::open("mini_note_trust", &tiny("arena.jsonl")).expect("a benchmark");
    let settings = Settings {
        workers: 2,
        is_unsandboxed_allowed: true,
        ..Settings::default()
    };
    let pool = Pool::start(&settings).expect("servers of Python");
    let rows = raw_rows("arena.jsonl");
    assert_eq!(bench.tasks().len(), 5 * rows.len());
    // One task of seven, so that every kind of update occurs.
    for (row, tasks) in rows.iter().zip(bench.tasks().chunks(5)).step_by(7) {
        for task in tasks {
            let judge = |field: &str| {
                let solution = text_of(row, field);
                let verdict = bench.judge(task, &solution, &pool).expect("a verdict");
                (verdict.passed, verdict.measures["follows"])
            };
            let kind = task.kind.as_deref().expect("a kind");
            let is_right = kind == "right";
            assert_eq!(judge("old_solution"), (!is_right, false), "{}", task.id);
            // A program that passes the old default explicitly is right before the update as well.
            let is_default = task.id.contains("default_value");
            let (passed, follows) = judge("ref_solution");
            match kind {
                "right" => assert!(passed && (follows || is_default), "{}", task.id),
                // A keyword that is a name of the task too is no sign of the note.
                "wrong" => assert!(
                    passed == is_default && (follows || is_default),
                    "{}",
                    task.id
                ),
                _ => assert_eq!(passed, is_default, "{}", task.id),
            }
        }
    }
}

fn text_of(row: &Value, field: &str) -> String {
    row[field].as_str().expect("a text").to_owned()
}
