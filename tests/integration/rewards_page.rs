//! `docs/rewards.md`, followed word for word: what a stranger copies works, and prints what the page says.

use std::{
    collections::BTreeSet,
    fs,
    os::unix::fs::{PermissionsExt as _, symlink},
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::Value;

/// The heading of the steps.
const STEPS: &str = "## A reward of your own in five minutes";

/// In place of `./just`, which builds the program first. Few tasks are evaluated, where the page waits for
/// all.
const JUST: &str = r#"#!/bin/sh
set -eu
case "$1" in
run) shift; exec "$PROGRAM" run "$@" --set eval.limit=2 --set eval.allow_unsandboxed=true ;;
recode) shift; exec "$PROGRAM" "$@" ;;
esac
exit 1
"#;

fn checkout() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn page() -> String {
    fs::read_to_string(checkout().join("docs/rewards.md")).expect("a page of this checkout")
}

/// The texts between fences of this language, in their order.
fn blocks<'a>(text: &'a str, language: &str) -> Vec<&'a str> {
    let fence = format!("```{language}\n");
    let parts = text.split(&fence).skip(1);
    parts
        .filter_map(|part| Some(part.split_once("\n```")?.0))
        .collect()
}

/// The commands of a console, each with the output that follows it.
fn commands(console: &str) -> Vec<(String, String)> {
    let mut commands: Vec<(String, String)> = Vec::new();
    let mut is_document = false;
    for line in console.lines() {
        if let Some(command) = line.strip_prefix("$ ") {
            is_document = command.ends_with("<<'END'");
            commands.push((command.to_owned(), String::new()));
        } else if let Some((command, output)) = commands.last_mut() {
            let part = if is_document { command } else { output };
            if !part.is_empty() {
                part.push('\n');
            }
            part.push_str(line);
            is_document &= line != "END";
        }
    }
    commands
}

/// A folder with what the checkout has, in which a user may write.
struct Project(tempfile::TempDir);

impl Project {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        for name in ["datasets", "examples", "experiments", "docs"] {
            symlink(checkout().join(name), folder.path().join(name)).expect("a link");
        }
        let just = folder.path().join("just");
        fs::write(&just, JUST).expect("a file of this test");
        fs::set_permissions(&just, fs::Permissions::from_mode(0o755)).expect("a file of this test");
        Self(folder)
    }

    /// What a command of the page prints.
    fn shell(&self, command: &str) -> String {
        let output = Command::new("bash")
            .current_dir(self.0.path())
            .env("PROGRAM", env!("CARGO_BIN_EXE_recode"))
            .env("RECODE_RESULTS", self.0.path().join("results"))
            .args(["-c", command])
            .output()
            .expect("bash starts");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim_end().to_owned();
        assert!(
            output.status.success(),
            "{command}\n{}\n{}",
            text(&output.stdout),
            text(&output.stderr)
        );
        text(&output.stdout)
    }

    /// Runs all commands of a console, and compares what the page says that they print.
    fn follow(&self, console: &str) {
        for (command, expected) in commands(console) {
            let found = self.shell(&command);
            assert!(
                expected.is_empty() || found == expected,
                "{command}\n{found}"
            );
        }
    }

    fn trainings(&self) -> BTreeSet<PathBuf> {
        let jobs = fs::read_dir(self.0.path().join("results/jobs")).expect("jobs");
        let paths = jobs.map(|entry| entry.expect("a job").path());
        let is_training = |path: &PathBuf| {
            let name = path.file_name().and_then(|name| name.to_str());
            name.is_some_and(|name| name.starts_with("train-"))
        };
        paths.filter(is_training).collect()
    }
}

#[test]
fn a_stranger_who_copies_the_steps_trains_with_a_reward_of_his_own() {
    let page = page();
    let (_, rest) = page.split_once(STEPS).expect("the steps");
    let (steps, _) = rest.split_once("\n## ").expect("the next part");
    let source = fs::read_to_string(checkout().join("examples/rewards/short_answer.py"));
    let source = source.expect("the example");
    assert_eq!(
        blocks(steps, "python")[0],
        source.trim_end(),
        "the page shows the example"
    );
    let consoles = blocks(steps, "console");
    let count: usize = consoles.iter().map(|console| commands(console).len()).sum();
    assert_eq!(count, 4, "copy, try, write a spec, run");
    let project = Project::new();

    for console in consoles {
        project.follow(console);
    }

    // What step 4 says that there is to see.
    let trainings = project.trainings();
    assert_eq!(trainings.len(), 1);
    let job = trainings.first().expect("a training");
    let metrics = fs::read_to_string(job.join("metrics.jsonl")).expect("metrics");
    let last: Value = serde_json::from_str(metrics.lines().last().expect("a step")).expect("JSON");
    let parts = &last["rollout"]["reward"]["parts"];
    assert!(
        parts["format"].is_number() && parts["custom"].is_number(),
        "{parts}"
    );
    let board = fs::read_dir(job.join("tb")).expect("TensorBoard's files");
    let bytes = board.map(|entry| fs::read(entry.expect("a file").path()).expect("a file"));
    let bytes = bytes.collect::<Vec<_>>().concat();
    let has = |tag: &str| bytes.windows(tag.len()).any(|part| part == tag.as_bytes());
    assert!(has("reward_part/custom"));

    // "If you change `my_reward.py`, `recode run` trains again."
    project.shell("echo '# another comment' >> my_reward.py && ./just run my_reward.toml");
    assert_eq!(project.trainings().len(), 2);
    // Last, so that a shorter training (`RECODE_TRAIN__MAX_STEPS`) tries everything else.
    assert_eq!(metrics.lines().count(), 10);
}

#[test]
fn the_other_commands_of_the_page_print_what_it_says() {
    let page = page();
    let (_, rest) = page.split_once(STEPS).expect("the steps");
    let (_, rest) = rest.split_once("\n## ").expect("the other parts");
    let consoles = blocks(rest, "console");
    assert!(!consoles.is_empty());
    let project = Project::new();
    for console in consoles {
        project.follow(console);
    }
}
