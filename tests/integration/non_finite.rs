//! The records of a training that diverges.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use recode::{
    disk::JsonLines,
    train::{NonFiniteRecord, NonFiniteSample},
};

use crate::kill_training::{SETTINGS, errors, prepare, start, wait};

/// The tiny base model with a weight that is not a number.
fn broken_model(folder: &Path) -> PathBuf {
    let base = Path::new(env!("CARGO_MANIFEST_DIR")).join("datasets/tiny/base");
    let model = folder.join("broken");
    fs::create_dir(&model).unwrap();
    for entry in fs::read_dir(base).unwrap() {
        let path = entry.unwrap().path();
        fs::copy(&path, model.join(path.file_name().unwrap())).unwrap();
    }
    let weights = model.join("model.safetensors");
    let mut bytes = fs::read(&weights).unwrap();
    // These bytes contain the last weight, whatever its type.
    let last = bytes.len() - 4;
    bytes[last..].fill(0xff);
    fs::write(&weights, bytes).unwrap();
    model
}

#[test]
fn a_training_that_diverges_records_its_samples_once_even_after_a_kill() {
    let results = tempfile::tempdir().unwrap();
    let base = format!("model.base={:?}", broken_model(results.path()));
    let more = [
        base.as_str(),
        "train.algorithm=\"sft\"",
        "train.sft.batch_size=2",
        "train.target_log_prob_rows=0",
    ];
    let settings = [SETTINGS, &more].concat();
    let [quiet, killed] = ["quiet", "killed"].map(|name| {
        let results = results.path().join(name);
        prepare(&results, &settings)
    });
    let file = |job: &Path| job.join("nonfinite.jsonl");

    let output = start(&quiet, 1).wait_with_output().unwrap();

    let text = errors(&output);
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(text.contains(&file(&quiet).display().to_string()), "{text}");
    assert!(text.contains("`10` updates in a row"), "{text}");
    let updates: Vec<NonFiniteRecord> = JsonLines::read(&file(&quiet)).unwrap();
    let steps = updates.iter().map(|update| update.step);
    assert_eq!(steps.collect::<Vec<_>>(), (1..=10).collect::<Vec<_>>());
    let is_row = |sample: &NonFiniteSample| {
        sample.prompt.contains("<doc>") && sample.completion.contains("```python")
    };
    assert!(updates.iter().all(|update| update.samples.len() == 2));
    assert!(
        updates
            .iter()
            .all(|update| update.samples.iter().all(is_row))
    );

    let mut child = start(&killed, 1);
    let lines = || {
        fs::read_to_string(file(&killed))
            .unwrap_or_default()
            .lines()
            .count()
    };
    // After the first checkpoint, and before the end.
    wait(&mut child, || lines() >= 5);
    child.kill().unwrap();
    child.wait().unwrap();
    let output = start(&killed, 2).wait_with_output().unwrap();

    assert_eq!(output.status.code(), Some(1), "{}", errors(&output));
    assert_eq!(
        fs::read(file(&killed)).unwrap(),
        fs::read(file(&quiet)).unwrap()
    );
}

#[test]
fn log_probabilities_that_json_lacks_are_counted_in_one_warning() {
    let folder = tempfile::tempdir().unwrap();
    let model = broken_model(folder.path());
    let prompts = folder.path().join("prompts.jsonl");
    fs::write(
        &prompts,
        "{\"prompt\": \"def f(\", \"completion\": \"x):\"}\n",
    )
    .unwrap();

    let output = Command::new(env!("CARGO_BIN_EXE_recode"))
        .arg("log-probs")
        .arg(&model)
        .arg("--prompt-file")
        .arg(&prompts)
        .output()
        .unwrap();

    let text = errors(&output);
    assert_eq!(output.status.code(), Some(0), "{text}");
    let line: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let numbers = line["log_probs"].as_array().unwrap();
    let nulls = numbers.iter().filter(|one| one.is_null()).count();
    assert!(nulls > 0, "{line}");
    let warning = format!(
        "warning: {nulls} of {} numbers are printed as `null`",
        numbers.len()
    );
    assert_eq!(text.matches(&warning).count(), 1, "{text}");
}
