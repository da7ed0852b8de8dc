//! Trackers that fail, that hang, and that take all that they are given: made-up modules in place of their packages.

use std::os::unix::fs::PermissionsExt as _;

use super::*;
use crate::{plan::tests::fixture::plan_of, results::JobDir};

/// Modules `mlflow`, `wandb` and `trackio` that write each call as a line: run, metric, step.
const FAKE: &str = include_str!("fake_tracker.py");

fn settings(python: &Path, tracker: TrackerName) -> ReportSettings {
    ReportSettings {
        trackers: Some(vec![tracker]),
        python: Some(python.to_str().unwrap().to_owned()),
    }
}

fn script(folder: &Path, text: &str) -> PathBuf {
    let path = folder.join("python");
    fs::write(&path, format!("#!/bin/sh\n{text}\n")).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    path
}

#[test]
fn a_tracker_that_fails_hangs_or_is_not_there_is_only_worth_a_warning() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::new(folder.path().join("results"));
    let plan = plan_of("name = \"t\"\n");
    let log = folder.path().join("results/trackers/wandb/t.log");
    let start = |python: &Path| Mirror::start(&settings(python, TrackerName::Wandb), &plan, &store);
    let begin = Instant::now();

    start(&script(folder.path(), "echo no key >&2; exit 1")).finish();
    assert_eq!(last_line(&log), "no key");
    // It has started a process that would stay.
    let pid = folder.path().join("pid");
    let hangs = format!("sleep 1000 & echo $! > {}; wait", pid.display());
    start(&script(folder.path(), &hangs)).finish_within(Duration::from_secs(1));
    let pid = fs::read_to_string(pid).unwrap();
    // One that has ended stays as a zombie if nobody waits for it.
    let is_left = || {
        let stat = fs::read_to_string(format!("/proc/{}/stat", pid.trim()));
        stat.is_ok_and(|stat| !stat.contains(") Z "))
    };
    while is_left() && begin.elapsed() < Duration::from_secs(30) {
        thread::sleep(PAUSE);
    }
    assert!(!is_left(), "{pid} has outlived its tracker");
    start(&folder.path().join("nothing")).finish();

    assert!(begin.elapsed() < Duration::from_mins(1));
}

#[test]
fn a_process_gets_the_jobs_and_then_the_files_and_no_signal_of_the_keyboard() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::new(folder.path().join("results"));
    let plan = plan_of("name = \"t\"\n");
    let seen = folder.path().join("seen");
    // `cat` waits for the end of its input. The fields after the name are state, parent and process group.
    let text = format!(
        "cat; cp \"$3\" {0}; cut -d' ' -f1,5 /proc/self/stat > {0}.group; echo $$ >> {0}.group",
        seen.display()
    );
    let python = script(folder.path(), &text);
    let table = store.table_dir("t");
    fs::create_dir_all(table.join("figures")).unwrap();
    fs::write(table.join("table.md"), "| a |").unwrap();
    fs::write(table.join("figures/loss.svg"), "<svg/>").unwrap();

    Mirror::start(&settings(&python, TrackerName::Wandb), &plan, &store).finish();

    let about: Value = serde_json::from_slice(&fs::read(&seen).unwrap()).unwrap();
    assert_eq!(about["tracker"], "wandb");
    assert_eq!(about["jobs"].as_array().unwrap().len(), plan.jobs.len());
    let files = fs::read(about["files"].as_str().unwrap()).unwrap();
    let files: Vec<PathBuf> = serde_json::from_slice(&files).unwrap();
    assert_eq!(files.len(), 2);
    let group = fs::read_to_string(seen.with_extension("group")).unwrap();
    let words: Vec<&str> = group.split_whitespace().collect();
    // The group is led by the process itself.
    assert_eq!(words[1], words[2], "{group}");
}

/// What the made-up tracker was asked for.
fn calls(folder: &Path) -> Vec<String> {
    let path = folder.join("calls");
    let text = fs::read_to_string(&path).unwrap_or_default();
    let _ = fs::remove_file(&path);
    text.lines().map(str::to_owned).collect()
}

fn write_log(dir: &JobDir, metrics: &[usize], evaluations: &[usize]) {
    let lines = |steps: &[usize], name: &str| -> String {
        let line = |step: &usize| format!("{{\"step\": {step}, \"{name}\": 0.5}}\n");
        steps.iter().map(line).collect()
    };
    fs::create_dir_all(dir.path()).unwrap();
    fs::write(dir.metrics(), lines(metrics, "loss")).unwrap();
    fs::write(dir.evaluations(), lines(evaluations, "pass@1")).unwrap();
}

fn begin_at(dir: &JobDir, time: &str) {
    fs::create_dir_all(dir.path()).unwrap();
    let attempts = json!({"attempts": [{"started": time, "owner": {"pid": 7}}]});
    fs::write(dir.provenance_path(), attempts.to_string()).unwrap();
}

/// A Python whose trackers write their calls to a file of the folder.
fn with_fakes(folder: &Path) -> PathBuf {
    fs::write(folder.join("fake_tracker.py"), FAKE).unwrap();
    for name in ["mlflow", "wandb", "trackio"] {
        let module =
            format!("from fake_tracker import {name} as fake\nglobals().update(vars(fake))\n");
        fs::write(folder.join(format!("{name}.py")), module).unwrap();
    }
    let here = folder.display();
    let text = format!("FAKE_CALLS={here}/calls PYTHONPATH={here} exec python3 \"$@\"");
    script(folder, &text)
}

/// Oracle: the calls, by hand, in the form of `fake_tracker.py`.
#[test]
fn each_step_and_each_evaluation_is_sent_once_and_a_job_begun_again_is_another_run() {
    for (tracker, late) in [
        (TrackerName::Mlflow, 2),
        // Steps only go up.
        (TrackerName::Wandb, 3),
        (TrackerName::Trackio, 2),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::new(folder.path().join("results"));
        let plan = plan_of("name = \"t\"\ntrain.algorithm = \"grpo\"\n");
        let job = plan
            .jobs
            .iter()
            .find(|job| job.id.0.starts_with("train"))
            .unwrap();
        let dir = store.job_dir(&job.id);
        let python = with_fakes(folder.path());
        let log = folder
            .path()
            .join(format!("results/trackers/{}/t.log", tracker.name()));
        let send = || {
            Mirror::start(&settings(&python, tracker), &plan, &store).finish();
            let found = calls(folder.path());
            assert!(!found.is_empty(), "{}", fs::read_to_string(&log).unwrap());
            found
        };
        let run = &job.id.0;
        let sent = |run: &str, name: &str, step: &str| format!("{run} {name} {step}");
        let metric = if tracker == TrackerName::Mlflow {
            "pass_at_1"
        } else {
            "pass@1"
        };
        let [loss, eval] = ["loss".to_owned(), format!("eval.{metric}")];

        begin_at(&dir, "2026-01-01");
        write_log(&dir, &[1, 2, 3], &[0]);
        assert_eq!(
            send(),
            [
                sent(run, &eval, "0"),
                sent(run, &loss, "1"),
                sent(run, &loss, "2"),
                sent(run, &loss, "3"),
            ],
            "{tracker:?}"
        );
        // The evaluation of step 2 was written late, and its step is not that of the metrics.
        write_log(&dir, &[1, 2, 3, 4], &[0, 2]);
        assert_eq!(
            send(),
            [sent(run, &eval, &late.to_string()), sent(run, &loss, "4")],
            "{tracker:?}"
        );
        let outcome = json!({"train": {"final_metrics": {"loss": 0.25}}});
        fs::write(dir.outcome_path(), outcome.to_string()).unwrap();
        assert_eq!(send(), [sent(run, "result.loss", "None")], "{tracker:?}");

        // The folder is another one, of the same name.
        fs::remove_dir_all(dir.path()).unwrap();
        write_log(&dir, &[1], &[]);
        begin_at(&dir, "2026-01-02");
        let again = sent(&format!("{run}-2"), &loss, "1");
        assert_eq!(send(), [again], "{tracker:?}");
    }
}
