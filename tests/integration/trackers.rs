//! Trackers get what jobs have logged, through their own packages, and no file gets a key.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::{fs, path::Path, process::Command};

use serde_json::Value as Json;

use crate::kill::SMALLER;

const KEY: &str = "0123456789abcdef0123456789abcdef01234567";

/// Reads back, with each tracker's own reader, the steps of a training and their loss, and the names of all runs.
const READ: &str = r#"
import glob, json, os, sqlite3, sys
root = sys.argv[1]
found = {}
os.environ["MLFLOW_ALLOW_FILE_STORE"] = "true"
import mlflow
client = mlflow.MlflowClient("file://" + root + "/mlflow/mlruns")
[experiment] = [one for one in client.search_experiments() if one.name == "from_scratch"]
runs = client.search_runs([experiment.experiment_id])
found["mlflow"] = {
    run.data.tags["recode.job"]: [[m.step, m.value] for m in client.get_metric_history(run.info.run_id, "loss")]
    for run in runs
}
from wandb.proto import wandb_internal_pb2
def records(path):
    """The records of a run: a header of 7 bytes, and then LevelDB's form of logs, blocks of 32 KiB with parts of records."""
    with open(path, "rb") as file:
        data, place, record = file.read(), 7, b""
    while place + 7 <= len(data):
        if 32768 - place % 32768 < 7:
            place += 32768 - place % 32768
            continue
        length, kind = int.from_bytes(data[place + 4 : place + 6], "little"), data[place + 6]
        record += data[place + 7 : place + 7 + length]
        place += 7 + length
        # Whole, or the last part.
        if kind in (1, 4):
            yield record
            record = b""
wandb = {}
for path in glob.glob(root + "/wandb/wandb/offline-run-*/run-*.wandb"):
    key = os.path.basename(path)[len("run-"):-len(".wandb")]
    losses = wandb.setdefault(key, [])
    for data in records(path):
        record = wandb_internal_pb2.Record()
        record.ParseFromString(data)
        if record.WhichOneof("record_type") == "history":
            items = {item.key or ".".join(item.nested_key): json.loads(item.value_json) for item in record.history.item}
            if "loss" in items:
                losses.append([record.history.step.num, float(items["loss"])])
found["wandb"] = wandb
import trackio
os.environ["TRACKIO_DIR"] = root + "/trackio"
trackio_found = {}
for path in glob.glob(root + "/trackio/*.db"):
    rows = sqlite3.connect(path).execute("select run_name, step, metrics from metrics order by step").fetchall()
    for name, step, metrics in rows:
        losses = trackio_found.setdefault(name.split(" ")[0], [])
        metrics = json.loads(metrics)
        if "loss" in metrics:
            losses.append([step, float(metrics["loss"])])
found["trackio"] = trackio_found
print("FOUND" + json.dumps(found))
"#;

#[test]
#[ignore = "needs TRACKERS_PYTHON: a Python with mlflow-skinny, wandb and trackio"]
fn trackers_get_each_step_once_and_no_key_is_written() {
    let python = std::env::var("TRACKERS_PYTHON").unwrap();
    let results = tempfile::tempdir().unwrap();
    let trackers = [
        "report.trackers=[\"mlflow\", \"wandb\", \"trackio\"]".to_owned(),
        format!("report.python=\"{python}\""),
    ];
    let settings = SMALLER.iter().map(|setting| (*setting).to_owned());
    let settings = settings
        .chain(trackers)
        .flat_map(|setting| ["--set".to_owned(), setting]);
    let settings: Vec<String> = settings.collect();
    let recode = |command: &str| {
        let mut recode = Command::new(env!("CARGO_BIN_EXE_recode"));
        recode
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .env("RECODE_RESULTS", results.path())
            .envs([
                ("WANDB_MODE", "offline"),
                ("WANDB_API_KEY", KEY),
                ("MLFLOW_TRACKING_TOKEN", KEY),
                ("HF_TOKEN", KEY),
            ])
            .env_remove("RUST_LOG")
            .args([command, "experiments/from_scratch.toml"])
            .args(&settings);
        let output = recode.output().unwrap();
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(
            output.status.success() && !errors.contains("tracker"),
            "{errors}"
        );
    };

    recode("run");
    // Nothing is sent twice.
    recode("report");

    let found = read(&python, &results.path().join("trackers"));
    for tracker in ["mlflow", "wandb", "trackio"] {
        for job in jobs(results.path()) {
            let expected = losses(results.path(), &job);
            let sent = found[tracker][&job].as_array();
            assert!(sent.is_some(), "{tracker} lacks {job}: {found}");
            if job.starts_with("train-") {
                assert_eq!(sent.unwrap(), &expected, "{tracker} {job}");
            }
        }
        assert!(
            found[tracker].get("table").is_some(),
            "{tracker} has no table: {found}"
        );
    }
    no_file_has_the_key(results.path());
}

/// What the trackers have, by tracker and job.
fn read(python: &str, trackers: &Path) -> Json {
    let read = Command::new(python)
        .args(["-c", READ])
        .arg(trackers)
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&read.stdout).into_owned();
    let errors = String::from_utf8_lossy(&read.stderr);
    let line = text.lines().find_map(|line| line.strip_prefix("FOUND"));
    assert!(line.is_some(), "{errors}");
    serde_json::from_str(line.unwrap()).unwrap()
}

fn no_file_has_the_key(folder: &Path) {
    for entry in walkdir::WalkDir::new(folder)
        .into_iter()
        .map(Result::unwrap)
    {
        let bytes = fs::read(entry.path()).unwrap_or_default();
        let has_key = bytes
            .windows(KEY.len())
            .any(|window| window == KEY.as_bytes());
        assert!(!has_key, "{}", entry.path().display());
    }
}

fn jobs(results: &Path) -> Vec<String> {
    let entries = fs::read_dir(results.join("jobs")).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.collect()
}

/// The steps of a training with their loss.
fn losses(results: &Path, job: &str) -> Vec<Json> {
    let path = results.join("jobs").join(job).join("metrics.jsonl");
    let text = fs::read_to_string(path).unwrap_or_default();
    let records = text
        .lines()
        .map(|line| serde_json::from_str::<Json>(line).unwrap());
    let records = records.filter(|record| record["loss"].is_number());
    records
        .map(|record| serde_json::json!([record["step"], record["loss"]]))
        .collect()
}
