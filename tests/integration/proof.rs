//! `recode verify` and `recode pack`: results are checked, parts of jobs are done again, and every flipped byte is found.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
    sync::LazyLock,
};

use recode::results::{JobDir, Outcome, Pack, Packed};
use serde_json::Value as Json;

use crate::kill::{SMALLER, finish};

const SPEC: &str = "experiments/from_scratch.toml";

/// The results of a small experiment, which every test copies.
static RESULTS: LazyLock<tempfile::TempDir> = LazyLock::new(|| {
    let folder = tempfile::tempdir().unwrap();
    finish(folder.path());
    folder
});

fn copied(to: &Path) {
    for entry in walkdir::WalkDir::new(RESULTS.path())
        .into_iter()
        .map(Result::unwrap)
    {
        let target = to.join(entry.path().strip_prefix(RESULTS.path()).unwrap());
        if entry.file_type().is_dir() {
            fs::create_dir_all(target).unwrap();
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

fn recode(results: &Path, arguments: &[&str]) -> Output {
    let mut recode = Command::new(env!("CARGO_BIN_EXE_recode"));
    recode
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .env("RECODE_RESULTS", results)
        .env_remove("RUST_LOG")
        .args(arguments);
    recode.output().unwrap()
}

fn pack(results: &Path, to: &Path, more: &[&str]) -> String {
    let to = to.to_str().unwrap();
    let settings = SMALLER.iter().flat_map(|setting| ["--set", setting]);
    let arguments: Vec<&str> = ["pack", SPEC, "--out", to]
        .into_iter()
        .chain(settings)
        .chain(more.iter().copied())
        .collect();
    let output = recode(results, &arguments);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    let line = String::from_utf8(output.stdout).unwrap();
    line.split_whitespace().next().unwrap().to_owned()
}

fn verify(subject: &Path, more: &[&str]) -> (Option<i32>, String) {
    let subject = subject.to_str().unwrap();
    let arguments: Vec<&str> = ["verify", subject]
        .into_iter()
        .chain(more.iter().copied())
        .collect();
    let output = recode(Path::new("no results here"), &arguments);
    let errors = String::from_utf8_lossy(&output.stderr);
    let text = String::from_utf8_lossy(&output.stdout).into_owned() + &errors;
    (output.status.code(), text)
}

fn table(results: &Path) -> PathBuf {
    results.join("tables/from_scratch/table.json")
}

/// The longest file of that name in the folder of a job of that kind: SFT samples nothing.
fn file(results: &Path, kind: &str, name: &str) -> PathBuf {
    walkdir::WalkDir::new(results.join("jobs"))
        .into_iter()
        .map(|entry| entry.unwrap().into_path())
        .filter(|path| path.ends_with(name) && path.to_str().unwrap().contains(kind))
        .max_by_key(|path| fs::metadata(path).unwrap().len())
        .unwrap()
}

fn flip(path: &Path, place: usize) {
    let mut bytes = fs::read(path).unwrap();
    bytes[place] ^= 1;
    fs::write(path, bytes).unwrap();
}

#[test]
fn a_table_is_verified_by_doing_parts_of_its_jobs_again() {
    let subject = table(RESULTS.path());

    let (code, text) = verify(
        &subject,
        &["--cells", "9", "--steps", "2", "--verdicts", "6"],
    );

    assert_eq!(code, Some(0), "{text}");
    for words in [
        "`table.json` is what its jobs give, byte for byte",
        "completions bit for bit",
        "samples judged again, with the same verdicts",
        "`model/` is the model of the outcome",
        ", 0 could not be made, 0 differ",
    ] {
        assert!(text.contains(words), "no {words}:\n{text}");
    }
    // Some seed begins at a checkpoint, and some step is the last one, whose model is compared.
    let texts: Vec<String> = (2..8)
        .map(|seed| {
            verify(
                &subject,
                &[
                    "--cells",
                    "9",
                    "--steps",
                    "4",
                    "--verdicts",
                    "0",
                    "--seed",
                    &seed.to_string(),
                ],
            )
        })
        .map(|(code, text)| {
            assert_eq!(code, Some(0), "{text}");
            text
        })
        .collect();
    for words in [
        "from the checkpoint of step",
        "from its start",
        "is the same, bit for bit",
        "the replayed model has the digest of the outcome",
    ] {
        assert!(
            texts.iter().any(|text| text.contains(words)),
            "no {words}:\n{}",
            texts.join("\n")
        );
    }
    let (_, json) = verify(&subject, &["--cells", "0", "--json"]);
    let report: Json = serde_json::from_str(&json).unwrap();
    assert_eq!(report["differs"], 0, "{json}");
}

#[test]
fn a_flipped_byte_of_a_job_folder_or_of_the_table_is_found() {
    let folder = tempfile::tempdir().unwrap();
    copied(folder.path());
    let results = folder.path();
    let checkpoint = "trainable.safetensors";
    for (kind, name, words) in [
        ("train-", "outcome.json", "outcome.json"),
        ("eval-", "outcome.json", "outcome.json"),
        ("eval-", "samples.jsonl", "samples.jsonl"),
        ("train-", "samples.jsonl", "samples.jsonl"),
        ("train-", "metrics.jsonl", "metrics.jsonl"),
        ("train-", "model/model.safetensors", "`model/`"),
        ("train-", checkpoint, "the checkpoint of step"),
        ("train-", "job.json", "job.json"),
        ("train-", "identity.json", "identity.json"),
    ] {
        let path = file(results, kind, name);
        let length = fs::metadata(&path).unwrap().len();
        for place in [length / 3, length * 4 / 5] {
            let place = usize::try_from(place).unwrap();
            flip(&path, place);
            let (code, text) = verify(&table(results), &["--cells", "0"]);
            flip(&path, place);
            let is_found = |line: &str| line.starts_with("DIFFERS") && line.contains(words);
            let is_named = text.lines().any(is_found);
            assert!(
                code == Some(1) && is_named,
                "{name} {place}: {code:?}\n{text}"
            );
        }
    }
    let bytes = fs::read_to_string(table(results)).unwrap();
    let place = bytes.find("\"mean\": 0.").unwrap() + 10;
    flip(&table(results), place);
    let (code, text) = verify(&table(results), &["--cells", "0"]);
    assert!(
        code == Some(1) && text.contains("is not what its jobs give"),
        "{text}"
    );
}

#[test]
fn an_outcome_that_somebody_has_changed_and_sealed_again_is_found() {
    let folder = tempfile::tempdir().unwrap();
    copied(folder.path());
    let results = folder.path();
    let path = file(results, "eval-", "outcome.json");
    let dir = JobDir::new(path.parent().unwrap());
    let Some(Outcome::Eval(mut outcome)) = dir.outcome() else {
        panic!("it is an evaluation")
    };
    let task = &mut outcome.tasks[0];
    task.passed[0] = !task.passed[0];
    // Sealed as by its job, and the table made again from it.
    dir.write_outcome(&Outcome::Eval(outcome)).unwrap();
    let settings = SMALLER.iter().flat_map(|setting| ["--set", setting]);
    let arguments: Vec<&str> = ["report", SPEC].into_iter().chain(settings).collect();
    assert!(recode(results, &arguments).status.success());

    let (code, text) = verify(&table(results), &["--cells", "0"]);

    let is_named = |line: &str| line.starts_with("DIFFERS") && line.contains("do not follow");
    assert_eq!(code, Some(1), "{text}");
    assert_eq!(
        text.lines().filter(|line| is_named(line)).count(),
        1,
        "{text}"
    );
    assert!(text.contains(" 1 differ\n"), "{text}");
}

#[test]
fn a_changed_file_next_to_the_table_is_found() {
    let folder = tempfile::tempdir().unwrap();
    copied(folder.path());
    for name in [
        "table.md",
        "table.csv",
        "table.tex",
        "runs.csv",
        "tasks.csv",
    ] {
        let path = table(folder.path()).with_file_name(name);
        let bytes = fs::read(&path).unwrap();
        flip(&path, bytes.len() / 2);
        let (code, text) = verify(&table(folder.path()), &["--cells", "0"]);
        fs::write(&path, bytes).unwrap();
        let words = format!("`{name}` is not what its jobs give");
        assert!(code == Some(1) && text.contains(&words), "{text}");
    }
}

#[test]
fn a_cell_that_differs_is_found_although_the_outcome_of_another_is_gone() {
    let folder = tempfile::tempdir().unwrap();
    copied(folder.path());
    let results = folder.path();
    let text = fs::read_to_string(table(results)).unwrap();
    let json: Json = serde_json::from_str(&text).unwrap();
    let job = |row: usize| {
        json["rows"][row]["cells"][0]["sources"][0]["job"]
            .as_str()
            .unwrap()
    };
    fs::remove_file(results.join("jobs").join(job(1)).join("outcome.json")).unwrap();

    let (code, found) = verify(&table(results), &["--cells", "0"]);
    assert_eq!(code, Some(3), "{found}");
    assert!(
        found.contains("only the cells whose jobs are here"),
        "{found}"
    );

    // The first figure is that of the first row.
    let place = text.find("\"mean\": 0.").unwrap() + 10;
    flip(&table(results), place);
    let (code, found) = verify(&table(results), &["--cells", "0"]);
    assert_eq!(code, Some(1), "{found}");
    assert!(
        found.contains("the cell `mini_arena` of `untrained`"),
        "{found}"
    );
}

#[test]
fn what_is_gone_is_reported_as_not_checked() {
    let folder = tempfile::tempdir().unwrap();
    copied(folder.path());
    let results = folder.path();
    let model = file(results, "train-", "model/model.safetensors");
    fs::remove_dir_all(model.parent().unwrap()).unwrap();

    let (code, text) = verify(&table(results), &["--cells", "0"]);

    assert_eq!(code, Some(3), "{text}");
    assert!(text.contains("its `model/` is not here"), "{text}");
}

#[test]
fn a_pack_is_verified_without_the_folder_of_results_and_every_flip_is_found() {
    let folder = tempfile::tempdir().unwrap();
    let results = folder.path().join("results");
    copied(&results);
    let (one, two) = (folder.path().join("a.tar"), folder.path().join("b.tar"));
    let digest = pack(&results, &one, &[]);
    assert_eq!(pack(&results, &two, &[]), digest);
    let bytes = fs::read(&one).unwrap();
    assert!(
        bytes == fs::read(&two).unwrap(),
        "equal results give equal packs"
    );
    fs::remove_dir_all(&results).unwrap();

    let (code, text) = verify(
        &one,
        &["--digest", &digest, "--cells", "9", "--verdicts", "4"],
    );

    assert_eq!(code, Some(0), "{text}");
    for words in [
        "its digest is the one that was published",
        "`table.json` is what its jobs give, byte for byte",
        "completions bit for bit",
        "samples judged again, with the same verdicts",
    ] {
        assert!(text.contains(words), "no {words}:\n{text}");
    }
    let (code, text) = verify(&one, &["--cells", "0", "--digest", "0000"]);
    assert!(
        code == Some(1) && text.contains("another than the given one"),
        "{text}"
    );
    for part in 0..24 {
        let mut flipped = bytes.clone();
        flipped[bytes.len() * part / 24 + 7 * part] ^= 1;
        fs::write(&two, flipped).unwrap();
        let (code, text) = verify(&two, &["--cells", "0"]);
        // A damaged header of the first file makes it no pack.
        assert!(matches!(code, Some(1 | 2)), "{part}: {code:?}\n{text}");
    }
}

/// A pack whose files were changed, and whose manifest says so, as whoever wants to deceive would make it.
fn forged(pack: &Path, to: &Path, change: impl FnOnce(&Path)) {
    let folder = tempfile::tempdir().unwrap();
    Packed::read(pack, folder.path()).unwrap();
    change(folder.path());
    let mut again = Pack::default();
    for entry in walkdir::WalkDir::new(folder.path()) {
        let entry = entry.unwrap();
        let name = entry.path().strip_prefix(folder.path()).unwrap();
        if entry.file_type().is_file() {
            again
                .add_file(name.to_str().unwrap(), entry.path())
                .unwrap();
        }
    }
    again.write(to).unwrap();
}

/// A folder with a pack without models and checkpoints, and the path of another one next to it.
fn small_pack() -> (tempfile::TempDir, PathBuf, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let (path, other) = (folder.path().join("a.tar"), folder.path().join("b.tar"));
    pack(
        RESULTS.path(),
        &path,
        &["--without-models", "--checkpoints", "0"],
    );
    (folder, path, other)
}

fn edit(path: &Path, change: impl FnOnce(&mut Json)) {
    let mut json: Json = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
    change(&mut json);
    fs::write(path, serde_json::to_string_pretty(&json).unwrap() + "\n").unwrap();
}

#[test]
fn a_pack_whose_plan_is_not_that_of_its_spec_is_found() {
    let (_folder, path, other) = small_pack();
    let plan = |change: fn(&mut Json)| {
        forged(&path, &other, |folder| {
            edit(&folder.join("experiment.json"), change);
        });
        verify(&other, &["--cells", "0"])
    };

    let (code, text) = plan(|_| ());
    assert_eq!(code, Some(3), "{text}");
    assert!(
        text.contains("its plan is the one that its spec gives"),
        "{text}"
    );
    // A row that says something else is left out.
    let (code, text) = plan(|contents| {
        contents["plan"]["cells"].as_array_mut().unwrap().pop();
    });
    assert_eq!(code, Some(1), "{text}");
    assert!(
        text.contains("its plan is not the one that its spec gives"),
        "{text}"
    );
    // What this machine cannot make is no success either.
    for (change, words) in [
        (
            (|contents| {
                contents["version"] = "0.0.0".into();
                contents["plan"]["cells"].as_array_mut().unwrap().pop();
            }) as fn(&mut Json),
            "version 0.0.0 of the program has made it",
        ),
        (
            |contents| contents["changes"] = Json::Array(vec!["RECODE_TRAIN__SEED".into()]),
            "variables of the environment have changed its spec",
        ),
        (
            |contents| contents["spec"] = "../x.toml".into(),
            "its spec has a name that is none",
        ),
    ] {
        let (code, text) = plan(change);
        assert_ne!(code, Some(0), "{text}");
        assert!(text.contains(words), "no {words}: {text}");
    }
    let (_, text) = {
        forged(&path, &other, |folder| {
            fs::remove_dir_all(folder.join("spec")).unwrap();
        });
        verify(&other, &["--cells", "0"])
    };
    assert!(text.contains("it lacks its spec"), "{text}");
}

#[test]
fn an_unfinished_job_of_a_pack_hides_no_difference() {
    let (_folder, path, other) = small_pack();
    let unfinished = |unpacked: &Path| {
        let table = fs::read(unpacked.join("tables/from_scratch/table.json")).unwrap();
        let table: Json = serde_json::from_slice(&table).unwrap();
        let job = table["rows"][1]["cells"][0]["sources"][0]["job"]
            .as_str()
            .unwrap()
            .to_owned();
        fs::remove_dir_all(unpacked.join("jobs").join(&job)).unwrap();
        edit(&unpacked.join("experiment.json"), |contents| {
            contents["unfinished"] = Json::Array(vec![job.into()]);
        });
    };
    forged(&path, &other, unfinished);
    let (code, text) = verify(&other, &["--cells", "0"]);
    assert_eq!(code, Some(3), "{text}");
    assert!(
        text.contains("it was not done when the pack was made"),
        "{text}"
    );

    forged(&path, &other, |unpacked| {
        unfinished(unpacked);
        let table = unpacked.join("tables/from_scratch/table.json");
        let text = fs::read_to_string(&table).unwrap();
        flip(&table, text.find("\"mean\": 0.").unwrap() + 10);
    });
    let (code, text) = verify(&other, &["--cells", "0"]);
    assert_eq!(code, Some(1), "{text}");
    assert!(
        text.contains("the cell `mini_arena` of `untrained`"),
        "{text}"
    );
}

#[test]
fn a_pack_without_models_says_what_could_not_be_checked() {
    let (_folder, path, _) = small_pack();

    let (code, text) = verify(&path, &["--cells", "0"]);

    assert_eq!(code, Some(3), "{text}");
    assert!(text.contains("its `model/` is not here"), "{text}");
    assert!(!text.contains("DIFFERS"), "{text}");
}

#[test]
fn a_plan_says_how_small_a_difference_it_can_show() {
    let folder = tempfile::tempdir().unwrap();
    let settings = SMALLER.iter().flat_map(|setting| ["--set", setting]);
    let arguments: Vec<&str> = ["plan", SPEC].into_iter().chain(settings).collect();

    let guessed = recode(folder.path(), &arguments);
    let known = recode(RESULTS.path(), &arguments);

    let text = |output: &Output| String::from_utf8_lossy(&output.stdout).into_owned();
    for (output, words) in [(guessed, "a guess"), (known, "finished")] {
        let text = text(&output);
        assert!(
            text.contains("smallest difference that is found in 4 of 5"),
            "{text}"
        );
        assert!(
            text.contains("8 tasks of") && text.contains(words),
            "{text}"
        );
    }
}
