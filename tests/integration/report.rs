//! `recode report` writes all files of an experiment. The jobs' results are made up; some of their texts try
//! to break out of the page that shows them.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::{
    collections::BTreeMap,
    env, fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use recode::{
    data::Cache,
    digest::Digest,
    disk::append_json_line,
    eval::{EvalOutcome, EvalSettings, Judgement, SampleRecord, TaskOutcome},
    plan::{Job, Plan, ProjectInputs, Task},
    results::{JobDir, Outcome, Store, TrainOutcome},
    sandbox::Verdict,
    spec::{Request, Surroundings, load},
};
use serde_json::{Value, json};

const SPEC: &str = "tests/fixtures/untrained_and_grpo.toml";

const HOSTILE: &str = "</script><script>window.pwned = 1</script><img src=x onerror=\"window.pwned = 1\">\u{2028}\
                       <b id=\"pwned\">\\";

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn plan() -> Plan {
    let around = Surroundings::at(&root()).unwrap();
    let file = root().join(SPEC);
    let request = Request {
        file: &file,
        overrides: &[],
        environment: &[],
        around: &around,
    };
    let experiment = load(&request).unwrap();
    let inputs = ProjectInputs::new(around.manifest.as_ref(), Cache::from_environment());
    Plan::new(&experiment, &inputs.below(&around.root)).unwrap()
}

/// How much is made up: each evaluation has so many tasks of five samples, of so many characters.
#[derive(Clone, Copy)]
struct Size {
    tasks: usize,
    characters: usize,
}

const SMALL: Size = Size {
    tasks: 8,
    characters: 40,
};

/// Makes up the results of all jobs of the spec.
fn made_up(results: &Path, size: Size) {
    let store = Store::new(results);
    for (number, job) in plan().jobs.iter().enumerate() {
        let dir = store.job_dir(&job.id);
        dir.prepare(job).unwrap();
        let outcome = match &job.work.task {
            Task::Train { .. } => training(&dir),
            Task::Eval(settings) => evaluation(&dir, (job, settings), size, number),
        };
        dir.write_outcome(&outcome).unwrap();
    }
}

fn training(dir: &JobDir) -> Outcome {
    for step in 1..=3 {
        let reward = f64::from(step) / 2.0;
        let line = json!({
            "step": step, "epoch": 0.5, "loss": 0.1 * reward, "gradient_norm": 2.0, "learning_rate": 1e-4,
            "tokens": 9, "skipped_updates": 0,
            "rollout": {
                "reward": {"total": reward, "format": 1.0, "correctness": reward - 1.0, "overlong": 0.0},
                "reward_spread": 0.5, "zero_spread_share": 0.25, "completions": 2, "completion_tokens": 30.0,
                "truncated_share": 0.0, "generation_batches": 1, "kept_groups": 1, "kl": 0.01, "entropy": 1.5,
            },
            "timing": {"seconds": 1.0, "tokens_per_second": 9.0, "sampling_seconds": 0.5, "reward_seconds": 0.1,
                "update_seconds": 0.4},
        });
        append_json_line(&dir.metrics(), &line).unwrap();
        for index in 0..2 {
            let reward = json!({"total": 2.5, "format": 1.0, "correctness": 1.5, "overlong": 0.0});
            let sample = json!({
                "step": step, "index": index, "row": "migration/1", "prompt": HOSTILE, "completion": HOSTILE,
                "tokens": 7, "is_truncated": false, "reward": reward, "advantage": 0.5,
            });
            append_json_line(&dir.samples(), &sample).unwrap();
        }
    }
    Outcome::Train(TrainOutcome {
        steps: 3,
        final_metrics: BTreeMap::from([("loss".to_owned(), 0.15)]),
        target_log_prob: None,
        model_digest: Digest::of_bytes(b"model"),
        adapter: false,
        warnings: vec![HOSTILE.to_owned()],
    })
}

/// The first tasks are the benchmark's own. Every third task is solved by all samples; of another task `n` as
/// many samples pass as `n + number` is modulo six.
fn evaluation(
    dir: &JobDir,
    (job, settings): (&Job, &EvalSettings),
    size: Size,
    number: usize,
) -> Outcome {
    let benchmark = settings.descriptor().unwrap();
    let benchmark = benchmark.open(&job.work.data, &settings.options()).unwrap();
    let own = benchmark.tasks().iter().map(|task| task.id.clone());
    let ids = own.chain((0..).map(|number| format!("made up {number} {HOSTILE}")));
    let mut tasks = Vec::new();
    let mut lines = String::new();
    for (place, id) in ids.take(size.tasks).enumerate() {
        let passed: Vec<bool> = (0..5)
            .map(|index| place % 3 == 2 || index < (place + number) % 6)
            .collect();
        for (index, passed) in passed.iter().enumerate() {
            let sample = sample(&id, index, *passed, size.characters);
            lines += &(serde_json::to_string(&sample).unwrap() + "\n");
        }
        let verdict = |passed: &bool| if *passed { "pass" } else { "assertion" }.to_owned();
        tasks.push(TaskOutcome {
            task_id: id,
            group: None,
            kind: Some(["one kind", HOSTILE][place % 2].to_owned()),
            verdicts: passed.iter().map(verdict).collect(),
            measures: std::collections::BTreeMap::new(),
            passed,
        });
    }
    fs::write(dir.samples(), lines).unwrap();
    Outcome::Eval(EvalOutcome {
        benchmark: settings.benchmark.clone(),
        tasks,
        metrics: BTreeMap::new(),
        counts: BTreeMap::new(),
        samples_digest: Digest::of_bytes(b"samples"),
        warnings: Vec::new(),
    })
}

fn sample(id: &str, index: usize, passed: bool, characters: usize) -> SampleRecord {
    let verdict = if passed {
        Verdict::Pass
    } else {
        Verdict::Assertion {
            exception: "AssertionError".into(),
            message: HOSTILE.into(),
        }
    };
    SampleRecord {
        chunk: 0,
        task_id: id.to_owned(),
        index,
        completion: "x".repeat(characters) + HOSTILE,
        tokens: 12,
        prompt_tokens: None,
        is_truncated: index == 1,
        judgement: Some(Judgement::of_tests("arena", &[verdict])),
        error: None,
    }
}

fn recode(results: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_recode"));
    command
        .current_dir(root())
        .env("RECODE_RESULTS", results)
        .env_remove("RUST_LOG")
        .args(arguments);
    command.output().unwrap()
}

fn report(results: &Path) -> (String, String) {
    let output = recode(results, &["report", SPEC]);
    let text = |bytes| String::from_utf8(bytes).unwrap();
    let (out, err) = (text(output.stdout), text(output.stderr));
    assert_eq!(output.status.code(), Some(0), "{err}");
    (out, err)
}

/// All files of a table by their name.
fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_dir() {
            let below = files(&path).into_iter();
            found.extend(below.map(|(file, bytes)| (format!("{name}/{file}"), bytes)));
        } else {
            found.insert(name, fs::read(&path).unwrap());
        }
    }
    found
}

#[test]
fn a_report_has_all_its_files_and_equal_results_give_equal_bytes() {
    let results = tempfile::tempdir().unwrap();
    made_up(results.path(), SMALL);
    let folder = results.path().join("tables/untrained_and_grpo");

    let (out, err) = report(results.path());
    let first = files(&folder);

    let names: Vec<&str> = first.keys().map(String::as_str).collect();
    assert_eq!(
        names,
        [
            "figures/entropy.svg",
            "figures/gradient_norm.svg",
            "figures/kl.svg",
            "figures/length.svg",
            "figures/loss.svg",
            "figures/reward.svg",
            "figures/zero_spread.svg",
            "report.html",
            "runs.csv",
            "table.csv",
            "table.json",
            "table.md",
            "table.tex",
            "tasks.csv",
        ],
        "{err}"
    );
    assert!(
        out.contains("Made from tests/fixtures/untrained_and_grpo.toml (settings "),
        "{out}"
    );
    for name in [
        "/table.md, .csv, .json and .tex",
        "/report.html",
        "/runs.csv, tasks.csv",
    ] {
        assert!(err.contains(name), "{err}");
    }
    report(results.path());
    assert_eq!(files(&folder), first);
}

#[test]
fn lists_have_a_line_for_each_job_and_for_each_sample() {
    let results = tempfile::tempdir().unwrap();
    made_up(results.path(), SMALL);
    report(results.path());
    let table = |file: &str| {
        let path = results.path().join("tables/untrained_and_grpo").join(file);
        let mut reader = csv::Reader::from_path(path).unwrap();
        let names: Vec<String> = reader
            .headers()
            .unwrap()
            .iter()
            .map(str::to_owned)
            .collect();
        let lines = reader.records().map(|line| {
            let line = line.unwrap();
            let fields = names.iter().cloned().zip(line.iter().map(str::to_owned));
            fields.collect::<BTreeMap<String, String>>()
        });
        lines.collect::<Vec<_>>()
    };

    let runs = table("runs.csv");
    // By hand: a training, and three benchmarks on two models.
    assert_eq!(runs.len(), 7);
    let training = runs.iter().find(|run| run["kind"] == "train").unwrap();
    assert_eq!(training["settings.train.lr.peak"], "0.0004");
    assert_eq!(training["rows"], "grpo");
    assert_eq!(training["measures.last.loss"], "0.15");
    assert_eq!(
        training["result_digest"],
        Digest::of_bytes(b"model").to_string()
    );
    assert_eq!(training["digests.data.train"].len(), 64);

    let tasks = table("tasks.csv");
    // Six evaluations of eight tasks with five samples.
    assert_eq!(tasks.len(), 6 * 8 * 5);
    let passed = tasks
        .iter()
        .filter(|sample| sample["passed"] == "true")
        .count();
    let verdicts = tasks
        .iter()
        .filter(|sample| sample["verdict"] == "pass")
        .count();
    assert_eq!(passed, verdicts);
    assert!(tasks.iter().all(|sample| sample["tokens"] == "12"));
    assert!(tasks.iter().any(|sample| sample["kind"] == HOSTILE));
}

#[test]
fn a_table_of_other_settings_is_replaced_aloud_and_figures_that_are_no_more_go() {
    let results = tempfile::tempdir().unwrap();
    made_up(results.path(), SMALL);
    let (_, err) = report(results.path());
    assert!(!err.contains("warning"), "{err}");
    let folder = results.path().join("tables/untrained_and_grpo");
    let path = folder.join("table.json");
    let mut table: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    assert_eq!(table["made_by"]["spec"], SPEC);
    table["made_by"] = json!({"spec": "experiments/mine.toml", "settings": "0123"});
    fs::write(&path, table.to_string()).unwrap();
    // One that this program may draw, and one that it does not know.
    fs::write(folder.join("figures/pass_at_1.svg"), "stale").unwrap();
    fs::write(folder.join("figures/mine.svg"), "mine").unwrap();

    let (_, err) = report(results.path());

    assert!(err.contains("was made from experiments/mine.toml"), "{err}");
    let left = files(&folder.join("figures"));
    assert!(!left.contains_key("pass_at_1.svg") && left.contains_key("mine.svg"));
}

#[test]
fn a_table_that_cannot_be_written_is_printed() {
    let results = tempfile::tempdir().unwrap();
    made_up(results.path(), SMALL);
    // No folder can be made below a file, not even by the superuser.
    fs::write(results.path().join("tables"), "").unwrap();

    let (out, err) = report(results.path());

    assert!(out.contains("| grpo"), "{out}");
    assert_eq!(err.matches("warning").count(), 1, "{err}");
}

/// `just browse` runs it where there is a Chromium. `RECODE_PICTURES` names a folder for screenshots.
#[test]
#[ignore = "needs Chromium and Python"]
fn a_report_in_a_browser() {
    let folder = tempfile::tempdir().unwrap();
    let large = Size {
        tasks: 1000,
        characters: 700,
    };
    for (name, size) in [("small", SMALL), ("large", large)] {
        made_up(&folder.path().join(name), size);
        report(&folder.path().join(name));
    }

    let mut command = Command::new("python3");
    command.arg(root().join("tests/report/browse.py"));
    command.args(
        ["small", "large"].map(|name| folder.path().join(name).join("tables/untrained_and_grpo")),
    );
    command.args(env::var_os("RECODE_PICTURES"));
    let output = command.output().unwrap();

    let text = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{text}");
}
