//! The program without a checkout: what comes with it, and how it gets into a folder. The oracle is the checkout.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::{
    collections::BTreeSet,
    fs,
    path::Path,
    process::{Command, Output},
};

use serde_json::Value as Json;

/// The program with nothing in its environment but where Python is.
fn recode(folder: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_recode"));
    command.args(arguments).current_dir(folder).env_clear();
    command.env("PATH", std::env::var_os("PATH").unwrap());
    command.env("HOME", env!("CARGO_TARGET_TMPDIR"));
    command.output().unwrap()
}

fn ended(output: &Output) -> (Option<i32>, String, String) {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    (
        output.status.code(),
        text(&output.stdout),
        text(&output.stderr),
    )
}

fn names(folder: &Path) -> BTreeSet<String> {
    let entries = fs::read_dir(folder).unwrap();
    entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect()
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The jobs of a spec; their names are made of all settings and of the bytes of all data.
fn jobs(folder: &Path, spec: &str) -> Vec<String> {
    let (code, plan, errors) = ended(&recode(folder, &["plan", spec, "--json"]));
    assert_eq!(code, Some(0), "{spec}: {errors}");
    let plan: Json = serde_json::from_str(&plan).unwrap();
    let jobs = plan["jobs"].as_array().unwrap();
    jobs.iter().map(|job| job["id"].to_string()).collect()
}

#[test]
fn the_first_run_lays_out_the_experiments_and_their_jobs_are_those_of_the_checkout() {
    // A folder of data in a folder around it makes no project of it.
    let around = tempfile::tempdir().unwrap();
    fs::create_dir(around.path().join("datasets")).unwrap();
    let folder = tempfile::tempdir_in(around.path()).unwrap();
    let (_, first, _) = ended(&recode(folder.path(), &[]));
    assert!(first.starts_with("recode run quickstart "), "{first}");
    let (code, _, listed) = ended(&recode(folder.path(), &["run"]));
    assert_eq!(code, Some(2));
    assert!(listed.contains("\n  recode run tiny/table1 "), "{listed}");

    // Commands that write nothing write nothing here.
    for command in ["plan", "check", "config", "report", "status"] {
        let (code, _, errors) = ended(&recode(folder.path(), &[command, "quickstart"]));
        assert_eq!(code, Some(3), "{command}: {errors}");
        assert!(errors.contains("`recode init` writes it here"), "{errors}");
    }
    assert_eq!(names(folder.path()), BTreeSet::new());

    // Two tasks of the untrained model: a table in seconds.
    let (code, _, errors) = ended(&recode(
        folder.path(),
        &[
            "run",
            "quickstart",
            "--only",
            "train.algorithm=none",
            "--set",
            "eval.benchmarks=[\"mini_general\"]",
            "--set",
            "eval.limit=2",
            "--set",
            "table.cols=[\"mini_general.pass@1\"]",
        ],
    ));
    assert_eq!(code, Some(0), "{errors}");
    let wanted = ["datasets", "docs", "experiments", "results"].map(String::from);
    assert_eq!(names(folder.path()), wanted.into());
    let table = fs::read(folder.path().join("results/tables/quickstart/table.json")).unwrap();
    let table: Json = serde_json::from_slice(&table).unwrap();
    assert_eq!(
        table["made_by"]["spec"], "experiments/quickstart.toml",
        "{table}"
    );

    for spec in ["quickstart", "tiny/notes", "from_scratch.toml"] {
        let path = format!("experiments/{}.toml", spec.trim_end_matches(".toml"));
        assert_eq!(jobs(folder.path(), spec), jobs(root(), &path), "{spec}");
    }
}

#[test]
fn what_is_in_a_folder_is_kept_and_a_project_within_a_project_is_not_made() {
    let folder = tempfile::tempdir().unwrap();
    let datasets = folder.path().join("datasets");
    fs::create_dir_all(datasets.join("tiny")).unwrap();
    fs::write(datasets.join("tiny/arena.jsonl"), "mine").unwrap();

    let (code, _, errors) = ended(&recode(folder.path(), &["run", "quickstart"]));
    assert_eq!(code, Some(3), "{errors}");
    assert!(errors.contains("has another `datasets`"), "{errors}");
    assert!(!folder.path().join("experiments").exists());

    let (code, next, errors) = ended(&recode(folder.path(), &["init"]));
    assert_eq!(code, Some(0), "{errors}");
    assert!(next.contains("recode run quickstart"), "{next}");
    let kept = "kept    `datasets/tiny/arena.jsonl`";
    assert!(errors.starts_with(kept), "{errors}");
    let arena = fs::read_to_string(datasets.join("tiny/arena.jsonl")).unwrap();
    assert_eq!(arena, "mine");

    let (code, _, errors) = ended(&recode(&datasets, &["init"]));
    assert_eq!(code, Some(2), "{errors}");
    assert!(errors.contains("within the project"), "{errors}");
    let (code, _, errors) = ended(&recode(folder.path(), &["init"]));
    assert_eq!(code, Some(0));
    assert!(errors.contains("nothing to write"), "{errors}");
}

#[test]
fn a_spec_of_ones_own_has_its_data_at_once() {
    let folder = tempfile::tempdir().unwrap();

    let (code, _, errors) = ended(&recode(folder.path(), &["init", "experiments/my.toml"]));
    assert_eq!(code, Some(0), "{errors}");
    let (code, checked, errors) = ended(&recode(folder.path(), &["check", "my"]));

    assert_eq!((code, &*errors), (Some(0), ""));
    assert_eq!(checked, "ok  my: 3 cells, 5 jobs\n");
}

#[test]
fn every_command_has_a_manual_page() {
    let folder = tempfile::tempdir().unwrap();
    let pages = folder.path().join("share/man1");
    let (code, _, errors) = ended(&recode(folder.path(), &["man", pages.to_str().unwrap()]));
    assert_eq!(code, Some(0), "{errors}");

    let (_, help, _) = ended(&recode(folder.path(), &["--help"]));
    let commands = help.split("Commands:").nth(1).unwrap();
    let commands = commands.lines().skip(1).take_while(|line| !line.is_empty());
    let is_command = |line: &&str| line.starts_with("  ") && !line.starts_with("   ");
    let commands: BTreeSet<String> = commands
        .filter(is_command)
        .filter_map(|line| line.split_whitespace().next())
        .filter(|name| *name != "help")
        .map(str::to_owned)
        .collect();

    assert!(commands.len() > 20, "{commands:?}");
    for command in commands {
        let page = fs::read_to_string(pages.join(format!("recode-{command}.1"))).unwrap();
        assert!(page.contains(&format!(".TH recode-{command} 1")), "{page}");
    }
    assert!(pages.join("recode.1").is_file());
    // A hidden command has none.
    assert!(!pages.join("recode-job.1").exists());
}
