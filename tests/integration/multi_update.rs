//! Tasks that need several updates at once, judged as a user would.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use recode::data::{Prompt, PromptTemplate, read_code_update_arena};
use serde_json::{Value, json};

fn datasets() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("datasets")
}

#[test]
fn there_are_twenty_tasks_of_two_or_three_updates_in_pairings_of_their_own() {
    let tasks = read_code_update_arena(&datasets().join("multi_update.jsonl")).unwrap();
    let pairings: BTreeSet<Vec<&str>> = tasks
        .iter()
        .map(|task| {
            task.updates()
                .map(|update| update.update_id.as_str())
                .collect()
        })
        .collect();

    assert_eq!((tasks.len(), pairings.len()), (20, 20));
    assert!(
        pairings
            .iter()
            .all(|updates| (2..=3).contains(&updates.len()))
    );
    assert!(tasks.iter().all(|task| task.unit_tests.len() >= 3));
}

#[test]
fn a_reference_passes_with_all_updates_and_fails_without_any_one() {
    let data = datasets().join("multi_update.jsonl");
    let tasks = read_code_update_arena(&data).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let (samples, out) = (
        folder.path().join("samples.jsonl"),
        folder.path().join("out.json"),
    );
    // The first says that it was cut off, as an endpoint says it; it is judged all the same.
    let lines = tasks.iter().enumerate().map(|(place, task)| {
        let reason = if place == 0 { "length" } else { "stop" };
        let (id, solution) = (&task.task_id, &task.reference_solution);
        json!({"task_id": id, "solution": solution, "finish_reason": reason}).to_string() + "\n"
    });
    fs::write(&samples, lines.collect::<String>()).unwrap();

    let output = Command::new(env!("CARGO_BIN_EXE_recode"))
        .args(["judge", "--benchmark", "multi_update", "--workers", "1"])
        .args([Path::new("--data"), &data, Path::new("--samples"), &samples])
        .args([Path::new("--out"), &out])
        .output()
        .unwrap();

    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let verdicts: Value = serde_json::from_slice(&fs::read(out).unwrap()).unwrap();
    let samples = verdicts["samples"].as_array().unwrap();
    assert_eq!(samples.len(), tasks.len());
    let truncated = json!({"told": tasks.len(), "samples": 1, "passed": 1});
    assert_eq!(verdicts["truncated"], truncated);
    assert_eq!(samples[0]["is_truncated"], true);
    for (sample, task) in samples.iter().zip(&tasks) {
        assert_eq!(sample["passed"], true, "{sample}");
        assert_eq!(sample["measures"]["upass"], true, "{sample}");
        for number in 1..=task.updates().count() {
            let letters = sample["tests"][format!("without_update_{number}")].as_str();
            let letters = letters.expect("each update is left out once");
            assert_eq!(letters.len(), task.unit_tests.len());
            assert!(letters.contains(|letter| letter != 'P'), "{sample}");
        }
    }
}

#[test]
fn both_templates_show_the_note_of_every_update() {
    let tasks = read_code_update_arena(&datasets().join("multi_update.jsonl")).unwrap();
    for folder in ["prompts", "from_scratch/prompts"] {
        let path = datasets().join(folder).join("code_update_arena.jinja");
        let template = PromptTemplate::load(&path).unwrap();
        for task in &tasks {
            let text = match template.render(&task.prompt_fields()).unwrap() {
                Prompt::Raw(text) => text,
                Prompt::Messages(messages) => messages[1].content.clone(),
            };
            for update in task.updates() {
                assert!(text.contains(&update.docstring), "{text}");
            }
        }
    }
}

#[test]
fn a_prompt_of_one_update_is_worded_as_before_there_were_several() {
    // Oracle: the template as it stood for one update, filled in by hand.
    let update = json!({
        "update_id": "u", "update_type": "add-argument", "function_path": "math.sin",
        "package": "math", "description": "It takes y.", "docstring": "Pass y.",
        "signature": "math.sin(x, y)", "imports": "", "implementation": "",
    });
    let row = json!({
        "update": update, "prog_syn_id": "t", "scenario": "S.", "problem": "P.",
        "solution_signature": "def f(x):", "imports": "", "ref_solution": "",
        "unit_tests": ["def test(): pass"],
    });
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(file.path(), row.to_string()).unwrap();
    let task = read_code_update_arena(file.path()).unwrap().swap_remove(0);
    let path = datasets().join("prompts/code_update_arena.jinja");

    let prompt = PromptTemplate::load(&path)
        .unwrap()
        .render(&task.prompt_fields())
        .unwrap();

    let Prompt::Messages(messages) = prompt else {
        panic!("a conversation")
    };
    assert_eq!(
        messages[1].content,
        "The function math.sin was updated: It takes y.\nIts new signature is:\n```python\n\
         math.sin(x, y)\n```\nThis is the documentation of the update:\n<doc>\nPass y.\n</doc>\n\
         A situation: S.\n\nThe problem: P.\n\nSolve it with the updated function. Write a function \
         with this signature:\n```python\ndef f(x):\n```\n\nPut your reasoning between <think> and \
         </think>. Then give the whole function with its imports between <answer> and </answer>, in \
         one ```python block."
    );
}
