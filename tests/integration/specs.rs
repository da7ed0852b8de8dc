//! `check` and `plan`: what they print, how they end, and that they write nothing.

use std::{
    fs,
    path::Path,
    process::{Command, Output},
};

fn recode(arguments: &[&str], folder: &Path) -> Output {
    Command::new(env!("CARGO_BIN_EXE_recode"))
        .args(arguments)
        .current_dir(folder)
        .env("RECODE_RESULTS", folder.join("results"))
        .env("RECODE_CACHE", folder.join("cache"))
        .output()
        .expect("the program starts")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("UTF-8")
}

fn names_below(folder: &Path) -> Vec<String> {
    let entries = walkdir::WalkDir::new(folder)
        .sort_by_file_name()
        .into_iter();
    entries
        .map(|entry| entry.expect("readable").path().display().to_string())
        .collect()
}

/// A project with one spec that trains a model from nothing.
fn project() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    let spec = "\
name = \"small\"
data.train = \"rows.jsonl\"
data.benchmarks.mini_arena = \"arena.jsonl\"
eval.benchmarks = [\"mini_arena\"]
[model]
base = \"scratch\"
scratch.max_position_embeddings = 4096
[grid]
\"train.algorithm\" = [\"none\", \"sft\"]
[table]
baseline = { method = \"untrained\" }
";
    for (name, text) in [
        ("small.toml", spec),
        ("rows.jsonl", ""),
        ("arena.jsonl", ""),
        ("datasets/from_scratch/tokenizer.json", "{}"),
        ("datasets/prompts/migration.jinja", ""),
        ("datasets/prompts/code_update_arena.jinja", ""),
    ] {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().expect("a parent")).expect("a folder");
        fs::write(path, text).expect("a file");
    }
    folder
}

#[test]
fn a_good_spec_is_ok_and_says_what_it_makes() {
    let folder = project();
    let output = recode(&["check", "small.toml"], folder.path());

    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert_eq!(text(&output.stdout), "ok  small: 2 cells, 3 jobs\n");
}

#[test]
fn mistakes_go_to_stderr_with_exit_code_2_and_a_last_line_that_counts_them() {
    let folder = project();
    let set = [
        "check",
        "small.toml",
        "--set",
        "train.algoritm=grppo",
        "--set",
        "run.slots=0",
    ];
    let output = recode(&set, folder.path());
    let said = text(&output.stderr);

    assert_eq!(output.status.code(), Some(2));
    assert_eq!(text(&output.stdout), "");
    assert!(
        said.contains("--> command line: --set train.algoritm=grppo"),
        "{said}"
    );
    assert!(
        said.ends_with("\nerror: small.toml: 3 problems; nothing was run\n"),
        "{said}"
    );
}

#[test]
fn a_plan_names_every_job_with_its_state_and_writes_nothing() {
    let folder = project();
    let before = names_below(folder.path());
    let output = recode(&["plan", "small.toml"], folder.path());
    let said = text(&output.stdout);
    let lines: Vec<&str> = said.lines().collect();

    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let results = folder.path().join("results");
    assert_eq!(
        lines[0],
        format!(
            "small  2 cells -> 1 training + 2 evaluations, in `{}`",
            results.display()
        )
    );
    assert!(lines[2].contains("mini_arena on scratch s42") && lines[2].ends_with("no result yet"));
    assert_eq!(
        lines[5],
        "to run 3 · resume 0 · running 0 · reuse 0 · blocked 0"
    );
    assert_eq!(names_below(folder.path()), before);
}

#[test]
fn a_plan_as_json_has_the_same_jobs() {
    let folder = project();
    let output = recode(&["plan", "small.toml", "--json"], folder.path());
    let json: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");

    let jobs = json["jobs"].as_array().expect("jobs");
    assert_eq!(jobs.len(), 3);
    for job in jobs {
        let id = job["id"].as_str().expect("a name");
        assert_eq!(json["steps"][id]["action"], "run");
    }
}

#[test]
fn plan_and_run_say_that_python_is_missing() {
    let folder = project();
    let recode = |command: &str| {
        Command::new(env!("CARGO_BIN_EXE_recode"))
            .args([command, "small.toml"])
            .current_dir(folder.path())
            .env("RECODE_RESULTS", folder.path().join("results"))
            .env("RECODE_CACHE", folder.path().join("cache"))
            .env("RECODE_PYTHON", "/nowhere/python3")
            .output()
            .expect("the program starts")
    };

    let plan = recode("plan");
    let run = recode("run");

    assert!(plan.status.success());
    let lines = text(&plan.stdout);
    let says_so =
        |line: &str| line.starts_with("not possible here: ") && line.contains("/nowhere/python3");
    assert!(lines.lines().any(says_so), "{lines}");
    assert_eq!(run.status.code(), Some(3));
    assert!(text(&run.stderr).contains("/nowhere/python3"));
}
