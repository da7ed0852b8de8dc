//! The files under `datasets/`: that they are there, and are what they say.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use recode::{
    data::{
        Cache, Kind, Manifest, Prompt, PromptTemplate, Resolved, Role, read_code_update_arena,
        read_migrations, target_text,
    },
    eval::benchmark,
};
use serde_json::json;
use tokenizers::Tokenizer;

fn datasets() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("datasets")
}

fn python(arguments: &[&str]) {
    let output = Command::new("python3")
        .current_dir(datasets().join("make"))
        .args(["-B"])
        .args(arguments)
        .output()
        .expect("python3 runs");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stdout)
    );
}

#[test]
fn every_shipped_file_is_there_with_the_rows_that_the_manifest_says() {
    let manifest = Manifest::load(&datasets().join("manifest.toml")).unwrap();
    let cache = Cache::at("no such folder");
    let shipped: Vec<_> = manifest
        .entries()
        .filter(|entry| entry.is_shipped() && entry.made_by().is_none())
        .collect();

    assert!(!shipped.is_empty());
    for entry in shipped {
        let Resolved::Here(path) = cache.resolve(entry) else {
            panic!("{}", entry.name())
        };
        let rows = match entry.kind() {
            Kind::Migrations => read_migrations(&path).unwrap().len(),
            Kind::Benchmark => {
                let tasks = benchmark::open(entry.name(), &path).unwrap().tasks().len();
                // Each row is shown with the five kinds of note.
                let of_a_row = if entry.name().contains("note_trust") {
                    5
                } else {
                    1
                };
                tasks / of_a_row
            }
            Kind::Model => {
                assert!(path.join("model.safetensors").is_file());
                continue;
            }
        };
        assert_eq!(Some(rows), entry.rows(), "{}", entry.name());
    }
}

#[test]
fn the_arena_has_sixteen_updates_with_three_tests_a_task_or_more() {
    let tasks = read_code_update_arena(&datasets().join("from_scratch/arena.jsonl")).unwrap();
    let updates: std::collections::BTreeSet<_> =
        tasks.iter().map(|task| &task.update.update_id).collect();

    assert_eq!(updates.len(), 16);
    assert!(tasks.iter().all(|task| task.unit_tests.len() >= 3));
}

#[test]
fn no_update_of_the_arena_occurs_in_training() {
    let tasks = read_code_update_arena(&datasets().join("from_scratch/arena.jsonl")).unwrap();
    let rows = read_migrations(&datasets().join("from_scratch/migrations.jsonl")).unwrap();

    for task in &tasks {
        let call = format!("{}.", task.update.package);
        for row in &rows {
            assert_ne!(row.update_info, task.update.docstring);
            // A call of the updated function, as the reference solution writes it.
            for line in task
                .reference_solution
                .lines()
                .filter(|line| line.contains(&call))
            {
                assert!(!row.new_code.lines().any(|new| new == line), "{line}");
            }
            // Names of two words are new ones in this world.
            let words = task
                .update
                .implementation
                .split(|c: char| !c.is_alphanumeric() && c != '_');
            for name in words.filter(|word| word.contains('_') && !word.starts_with("old_")) {
                assert!(
                    !row.update_info.contains(name) && !row.new_code.contains(name),
                    "{name}"
                );
            }
        }
    }
}

#[test]
fn the_generators_still_give_these_bytes() {
    python(&["from_scratch/sets.py", "--check"]);
    python(&["from_scratch/tokenizer.py", "--check"]);
    python(&["multi_update.py", "--check"]);
}

#[test]
fn references_pass_with_the_update_only_and_old_calls_fail_with_it() {
    python(&["from_scratch/check.py"]);
}

#[test]
fn the_judge_passes_every_reference_solution_with_its_update_only() {
    let data = datasets().join("from_scratch/arena.jsonl");
    let tasks = read_code_update_arena(&data).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let (samples, out) = (
        folder.path().join("samples.jsonl"),
        folder.path().join("out.json"),
    );
    let lines = tasks.iter().map(|task| {
        json!({"task_id": task.task_id, "solution": task.reference_solution}).to_string() + "\n"
    });
    std::fs::write(&samples, lines.collect::<String>()).unwrap();

    let output = Command::new(env!("CARGO_BIN_EXE_recode"))
        .args([
            "judge",
            "--benchmark",
            "code_update_arena",
            "--workers",
            "1",
            "--data",
        ])
        .args([
            data.as_path(),
            Path::new("--samples"),
            samples.as_path(),
            Path::new("--out"),
            out.as_path(),
        ])
        .output()
        .unwrap();

    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let verdicts: serde_json::Value = serde_json::from_slice(&std::fs::read(out).unwrap()).unwrap();
    let samples = verdicts["samples"].as_array().unwrap();
    assert_eq!(samples.len(), tasks.len());
    for sample in samples {
        assert_eq!(sample["passed"], true, "{sample}");
        assert_eq!(sample["measures"]["upass"], true, "{sample}");
    }
}

#[test]
fn the_tokenizer_gives_every_text_back() {
    let tokenizer = Tokenizer::from_file(datasets().join("from_scratch/tokenizer.json")).unwrap();

    assert_eq!(tokenizer.token_to_id("<|endoftext|>"), Some(0));
    assert_eq!(tokenizer.token_to_id("<|pad|>"), Some(1));
    for text in [
        "def f(x):\n    return x",
        "é 漢字 🙂\t\r\n \u{0}",
        "  \n\n  ",
        "<|endoftext|>",
    ] {
        let ids = tokenizer.encode(text, false).unwrap();
        assert_eq!(tokenizer.decode(ids.get_ids(), false).unwrap(), text);
    }
}

#[test]
fn prompts_and_answers_of_from_scratch_are_short() {
    let tokenizer = Tokenizer::from_file(datasets().join("from_scratch/tokenizer.json")).unwrap();
    let template =
        PromptTemplate::load(&datasets().join("from_scratch/prompts/migration.jinja")).unwrap();
    let length = |text: &str| tokenizer.encode(text, false).unwrap().len();

    for row in read_migrations(&datasets().join("from_scratch/migrations.jsonl")).unwrap() {
        let Prompt::Raw(prompt) = template.render(&row.prompt_fields()).unwrap() else {
            panic!()
        };
        // What experiments/from_scratch.toml leaves room for.
        assert!(length(&prompt) <= 96, "{prompt}");
        assert!(
            length(&target_text(&row.new_code)) <= 63,
            "{}",
            row.new_code
        );
    }
}

#[test]
fn a_tiny_arena_prompt_looks_like_a_migration_that_asks_for_a_function() {
    let folder = datasets().join("from_scratch/prompts");
    let arena = PromptTemplate::load(&folder.join("code_update_arena.jinja")).unwrap();
    let migration = PromptTemplate::load(&folder.join("migration.jinja")).unwrap();
    let tasks = read_code_update_arena(&datasets().join("from_scratch/arena.jsonl")).unwrap();

    for task in tasks {
        let skeleton = format!(
            "import {}\n\n# {}\n{}\n    ...",
            task.update.package, task.problem, task.solution_signature
        );
        let fields = json!({"update_info": task.update.docstring, "old_code": skeleton});
        assert_eq!(
            arena.render(&task.prompt_fields()).unwrap(),
            migration.render(&fields).unwrap()
        );
    }
}

#[test]
fn the_large_templates_begin_the_turn_of_the_model_with_a_thought() {
    let task = read_code_update_arena(&datasets().join("from_scratch/arena.jsonl"))
        .unwrap()
        .swap_remove(0);
    let row = read_migrations(&datasets().join("from_scratch/migrations.jsonl"))
        .unwrap()
        .swap_remove(0);
    let problem = json!({"prompt": "def f(x):", "entry_point": "f"});

    for (name, fields) in [
        ("migration", row.prompt_fields()),
        ("code_update_arena", task.prompt_fields()),
        ("human_eval", problem),
    ] {
        let path = datasets().join(format!("prompts/{name}.jinja"));
        let prompt = PromptTemplate::load(&path)
            .unwrap()
            .render(&fields)
            .unwrap();
        let Prompt::Messages(messages) = prompt else {
            panic!("{name}")
        };
        let roles: Vec<Role> = messages.iter().map(|message| message.role).collect();
        assert_eq!(roles, [Role::System, Role::User, Role::Assistant], "{name}");
        assert!(messages[2].content.ends_with("\n<think>"), "{name}");
    }
}
