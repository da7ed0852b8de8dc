//! What a user asks about a run before, while and after it runs: `config`, `why`, `plan`, `compare`, `clean`, and the
//! first steps. The results of jobs are made up.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::{
    collections::BTreeMap,
    fs,
    path::Path,
    process::{Command, Output},
    sync::OnceLock,
    time::Instant,
};

use recode::{
    data::Cache,
    digest::Digest,
    eval::{EvalOutcome, TaskOutcome},
    plan::{Job, JobId, Plan, ProjectInputs, Task},
    results::{Attempt, Claim, JobDir, Outcome, Store, Timestamp, TrainOutcome},
    spec::{Request, Surroundings, VARIABLES, load},
};
use serde_json::{Value as Json, json};

/// A spec that trains a model from nothing and needs no download.
const SPEC: &str = "\
name = \"small\"
data.train = \"rows.jsonl\"
data.benchmarks.mini_arena = \"arena.jsonl\"
eval.benchmarks = [\"mini_arena\"]
eval.samples = { mini_arena = 2 }
[model]
base = \"scratch\"
scratch.max_position_embeddings = 4096
[train]
algorithm = \"sft\"
max_steps = 20
lr.peak = 1e-4
lr.warmup_steps = 2
[table]
baseline = { method = \"untrained\" }
";

/// A project with that spec in `experiments/`.
fn project() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in [
        ("experiments/small.toml", SPEC),
        ("rows.jsonl", ""),
        ("arena.jsonl", ""),
        ("datasets/manifest.toml", ""),
        ("datasets/from_scratch/tokenizer.json", "{}"),
        ("datasets/prompts/migration.jinja", ""),
        ("datasets/prompts/code_update_arena.jinja", ""),
        ("datasets/prompts/human_eval.jinja", ""),
    ] {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    folder
}

fn command(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_recode"));
    command
        .args(arguments)
        .current_dir(folder)
        .env("RECODE_CACHE", folder.join("cache"))
        .env_remove("RECODE_RESULTS")
        .env_remove("RUST_LOG");
    command
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

fn code_of(output: &Output) -> (Option<i32>, String) {
    (output.status.code(), text(&output.stderr))
}

/// What a command that ends well prints on stdout.
fn printed(folder: &Path, arguments: &[&str]) -> String {
    let output = command(folder, arguments).output().unwrap();
    let (code, errors) = code_of(&output);
    assert_eq!(code, Some(0), "{arguments:?}: {errors}");
    text(&output.stdout)
}

fn plan(folder: &Path, spec: &str, overrides: &[&str]) -> Plan {
    let around = Surroundings::at(folder).unwrap();
    let file = folder.join(spec);
    let overrides: Vec<String> = overrides.iter().map(|one| (*one).to_owned()).collect();
    let request = Request {
        file: &file,
        overrides: &overrides,
        environment: &[],
        around: &around,
    };
    let experiment = load(&request).unwrap();
    let inputs = ProjectInputs::new(around.manifest.as_ref(), Cache::at(folder.join("cache")));
    Plan::new(&experiment, &inputs.below(&around.root)).unwrap()
}

/// What a job might give: of `tasks` tasks, the first `solved` are solved.
fn outcome(job: &Job, (tasks, solved): (usize, usize)) -> Outcome {
    match &job.work.task {
        Task::Train { .. } => Outcome::Train(TrainOutcome {
            steps: 20,
            final_metrics: BTreeMap::from([("loss".to_owned(), 0.5)]),
            target_log_prob: None,
            model_digest: Digest::of_bytes(b""),
            adapter: false,
            warnings: Vec::new(),
        }),
        Task::Eval(settings) => Outcome::Eval(EvalOutcome {
            benchmark: settings.benchmark.clone(),
            tasks: (0..tasks)
                .map(|number| TaskOutcome {
                    task_id: format!("arena/{number}"),
                    group: None,
                    kind: None,
                    passed: vec![number < solved; 2],
                    verdicts: vec!["pass".to_owned(); 2],
                    measures: BTreeMap::new(),
                })
                .collect(),
            metrics: BTreeMap::from([("pass@1".to_owned(), 0.5)]),
            counts: BTreeMap::new(),
            samples_digest: Digest::of_bytes(b""),
            warnings: Vec::new(),
        }),
    }
}

/// An attempt of this program that took so many seconds.
fn attempt(job: &Job, seconds: u64) -> Attempt {
    static FIRST: OnceLock<Attempt> = OnceLock::new();
    let start = 1_795_368_008;
    Attempt {
        commit: None,
        started: Timestamp::from_unix_seconds(start),
        ended: Some(Timestamp::from_unix_seconds(start + seconds)),
        ..FIRST.get_or_init(|| Attempt::begin(job, 1)).clone()
    }
}

/// Makes up the result of a job.
fn finish(store: &Store, job: &Job, tasks: (usize, usize), seconds: u64) -> JobDir {
    let dir = store.job_dir(&job.id);
    dir.prepare(job).unwrap();
    if matches!(job.work.task, Task::Train { .. }) {
        fs::create_dir_all(dir.model()).unwrap();
        fs::write(dir.model().join("weights"), "w").unwrap();
    }
    dir.write_attempt(&attempt(job, seconds)).unwrap();
    dir.write_outcome(&outcome(job, tasks)).unwrap();
    dir
}

/// The same without waiting for the disk.
fn finish_fast(store: &Store, job: &Job) {
    let dir = store.job_dir(&job.id);
    fs::create_dir_all(dir.model()).unwrap();
    let write = |name: &str, value: Json| {
        let text = serde_json::to_string_pretty(&value).unwrap() + "\n";
        fs::write(dir.path().join(name), text).unwrap();
    };
    write("job.json", json!(job));
    write("identity.json", job.identity.clone());
    write("provenance.json", json!({"attempts": [attempt(job, 1)]}));
    write("outcome.json", json!(outcome(job, (1, 1))));
}

/// Makes up the results of all jobs of the spec.
fn finish_all(folder: &Path, overrides: &[&str], solved: usize) -> Plan {
    let plan = plan(folder, "experiments/small.toml", overrides);
    let store = Store::new(folder.join("results"));
    for job in &plan.jobs {
        let solved = if job.after.is_empty() { 1 } else { solved };
        finish(&store, job, (8, solved), 100);
    }
    plan
}

fn job_of<'a>(plan: &'a Plan, kind: &str) -> &'a Job {
    let mut jobs = plan.jobs.iter();
    jobs.find(|job| job.id.0.starts_with(kind)).unwrap()
}

#[test]
fn every_value_names_what_set_it_and_what_it_won_over() {
    let folder = project();
    let output = command(
        folder.path(),
        &[
            "config",
            "experiments/small.toml",
            "--origin",
            "--set",
            "train.max_steps=30",
        ],
    )
    .env("RECODE_TRAIN__LR__PEAK", "0.5")
    .output()
    .unwrap();
    let lines = text(&output.stdout);
    let line = |key: &str| {
        let start = format!("{key} = ");
        let line = lines.lines().find(|line| line.starts_with(&start));
        let words: Vec<&str> = line.unwrap().split_whitespace().collect();
        words.join(" ")
    };

    assert_eq!(output.status.code(), Some(0));
    assert!(
        line("train.max_steps").starts_with(
            "train.max_steps = 30 command line: --set train.max_steps=30 (over 20 \
             experiments/small.toml:11:13, "
        ),
        "{}",
        line("train.max_steps")
    );
    assert!(
        line("train.lr.peak").starts_with(
            "train.lr.peak = 0.5 environment: RECODE_TRAIN__LR__PEAK=0.5 (over 0.0001 \
             experiments/small.toml:12:11, "
        ),
        "{}",
        line("train.lr.peak")
    );
    assert!(line("train.lr.peak").contains("built-in defaults (src/spec/defaults.toml):"));
}

#[test]
fn the_values_without_their_origins_are_a_spec_with_the_same_jobs() {
    let folder = project();
    let path = folder.path().join("experiments/grid.toml");
    let grid = SPEC.replace("\"small\"", "\"grid\"")
        + "[grid]\n\"train.lr.peak\" = [1e-4, 2e-4]\n[[grid.when]]\nif = { \"train.lr.peak\" = 2e-4 }\n\
           set = { \"train.max_steps\" = 30 }\n";
    fs::write(&path, grid).unwrap();

    let values = printed(folder.path(), &["config", "experiments/grid.toml"]);
    fs::write(folder.path().join("experiments/copy.toml"), values).unwrap();

    let ids = |spec: &str| -> Vec<JobId> {
        let jobs = plan(folder.path(), spec, &[]).jobs.into_iter();
        jobs.map(|job| job.id).collect()
    };
    let jobs = ids("experiments/grid.toml");
    // By hand: two trainings with an evaluation each, and one of the untrained model.
    assert_eq!(jobs.len(), 5);
    assert_eq!(ids("experiments/copy.toml"), jobs);

    // A job has the values of its point.
    let second = plan(folder.path(), "experiments/grid.toml", &[]).cells[2]
        .train
        .clone()
        .unwrap();
    let values = printed(
        folder.path(),
        &["config", "experiments/grid.toml", &second.0, "--origin"],
    );
    let has = |start: &str, end: &str| {
        let mut lines = values.lines();
        lines.any(|line| line.starts_with(start) && line.contains(end))
    };
    assert!(has("# the point train.lr.peak = 0.0002", ""), "{values}");
    assert!(
        has("train.lr.peak = 0.0002", "experiments/grid.toml:17:26"),
        "{values}"
    );
    assert!(
        has("train.max_steps = 30", "experiments/grid.toml:20:"),
        "{values}"
    );
}

#[test]
fn a_plan_says_why_a_job_is_new_and_how_long_it_takes() {
    let folder = project();
    let before = finish_all(folder.path(), &[], 4);
    let training = &job_of(&before, "train").id;

    let changed = [
        "plan",
        "experiments/small.toml",
        "--set",
        "train.max_steps=40",
    ];
    let plan = printed(folder.path(), &changed);

    let training_line = plan
        .lines()
        .find(|line| line.starts_with("train-"))
        .unwrap();
    assert!(
        training_line.ends_with(&format!("new: train.max_steps 20 -> 40 (from {training})")),
        "{plan}"
    );
    // Twice as many steps as the finished one, which took 100 seconds.
    assert!(training_line.contains("  3m20s "), "{plan}");
    // The untrained model is measured already; the trained one takes as long as the other trained one.
    assert!(
        plan.contains("to run 2 · resume 0 · running 0 · reuse 1 · blocked 0"),
        "{plan}"
    );
    assert!(
        plan.contains("\ntime: 5m00s of jobs, by 2 finished jobs\ndisk: "),
        "{plan}"
    );
}

#[test]
fn a_job_that_was_killed_once_does_not_hide_how_long_others_took() {
    let folder = project();
    finish_all(folder.path(), &[], 2);
    // The nearest one has an attempt without an end.
    let nearest = finish_all(
        folder.path(),
        &["train.max_steps=20", "train.lr.peak=2e-4"],
        2,
    );
    let store = Store::new(folder.path().join("results"));
    let training = job_of(&nearest, "train");
    let killed = Attempt {
        ended: None,
        ..attempt(training, 1)
    };
    store.job_dir(&training.id).write_attempt(&killed).unwrap();

    let plan = [
        "plan",
        "experiments/small.toml",
        "--set",
        "train.max_steps=10",
        "--set",
        "train.lr.peak=2e-4",
    ];
    let text = printed(folder.path(), &plan);

    // By hand: the other training took 100 s for 20 steps, so that 10 steps take 50; its evaluation took 100 s.
    assert!(
        text.contains("time: 2m30s of jobs, by 2 finished jobs"),
        "{text}"
    );
}

#[test]
fn why_names_the_nearest_finished_job_and_exactly_what_differs() {
    let folder = project();
    let before = finish_all(folder.path(), &[], 4);
    let near = plan(
        folder.path(),
        "experiments/small.toml",
        &["train.lr.peak=0.0003", "run.seeds=[7]"],
    );
    let store = Store::new(folder.path().join("results"));
    let far = finish(&store, job_of(&near, "train"), (8, 1), 1);

    // A job that is not done, by its spec.
    let answer = printed(
        folder.path(),
        &[
            "why",
            "experiments/small.toml",
            "train",
            "--set",
            "train.lr.peak=0.0002",
        ],
    );
    let nearest = &job_of(&before, "train").id;
    assert!(
        answer.contains(&format!(
            "\n  run: new: train.lr.peak 0.0001 -> 0.0002 (from {nearest})\n"
        )),
        "{answer}"
    );
    assert!(
        answer.contains(&format!(
            "  nearest finished job: {nearest}, with 1 difference\n    train.lr.peak 0.0001 -> 0.0002\n"
        )),
        "{answer}"
    );
    // A job that is done.
    let answer = printed(folder.path(), &["why", &far.id().0]);
    assert!(
        answer
            .contains("2 differences\n    run.seeds 42 -> 7\n    train.lr.peak 0.0001 -> 0.0003\n"),
        "{answer}"
    );
    // Other data.
    fs::write(folder.path().join("rows.jsonl"), "{}\n").unwrap();
    let answer = printed(folder.path(), &["why", "experiments/small.toml"]);
    assert!(answer.contains("    the bytes of data.train "), "{answer}");
    assert!(
        answer.contains("    its training: the bytes of data.train "),
        "{answer}"
    );
    fs::write(folder.path().join("rows.jsonl"), "").unwrap();
    assert_eq!(
        printed(folder.path(), &["why", "experiments/small.toml"]),
        "all jobs are done\n"
    );
    // A job that nobody knows.
    let output = command(folder.path(), &["why", "train-00000000"])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(
        text(&output.stderr).contains("help: "),
        "{}",
        text(&output.stderr)
    );
}

/// The output of git in a folder.
fn git(folder: &Path, arguments: &[&str]) -> String {
    let mut git = Command::new("git");
    git.current_dir(folder)
        .args(["-c", "user.name=x", "-c", "user.email=x@example.com"])
        .args(arguments);
    let output = git.output().unwrap();
    assert!(output.status.success(), "{}", text(&output.stderr));
    text(&output.stdout).trim().to_owned()
}

#[test]
fn changes_of_the_code_are_shown_and_acted_on_if_asked() {
    let folder = project();
    let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
    fs::create_dir(folder.path().join("src")).unwrap();
    write("Cargo.toml", "[package]\nname = \"recode\"\n");
    write("src/x.rs", "// before\n");
    git(folder.path(), &["init", "--quiet"]);
    git(folder.path(), &["add", "Cargo.toml", "src"]);
    git(folder.path(), &["commit", "--quiet", "--message", "before"]);
    let commit = git(folder.path(), &["rev-parse", "HEAD"]);
    let plan = finish_all(folder.path(), &[], 4);
    let store = Store::new(folder.path().join("results"));
    for job in &plan.jobs {
        let attempt = Attempt {
            commit: Some(commit.clone()),
            dirty: Some(false),
            ..attempt(job, 100)
        };
        store.job_dir(&job.id).write_attempt(&attempt).unwrap();
    }
    let spec = "experiments/small.toml";

    let same = printed(folder.path(), &["plan", spec]);
    assert!(!same.contains("the code has changed"), "{same}");
    write("src/x.rs", "// after\n");
    let changed = printed(folder.path(), &["plan", spec]);
    let line = format!(
        " and 2 more: commit {}: src/x.rs\n",
        commit.chars().take(7).collect::<String>()
    );
    assert!(
        changed.contains(&line) && changed.contains("reuse 3"),
        "{changed}"
    );
    let again = printed(folder.path(), &["plan", spec, "--rerun-on", "code"]);
    assert!(
        again.contains("to run 3 ") && again.contains("  again "),
        "{again}"
    );

    // Without a Python nothing can run, and so no result is moved.
    let mut run = command(folder.path(), &["run", spec, "--rerun-on", "code"]);
    let output = run.env("RECODE_PYTHON", "/nothing").output().unwrap();
    assert_eq!(output.status.code(), Some(3), "{}", text(&output.stderr));
    let is_done = |job: &Job| store.job_dir(&job.id).outcome().is_some();
    assert!(plan.jobs.iter().all(is_done), "{}", text(&output.stderr));
    assert!(!folder.path().join("results/.trash").exists());

    // There is nothing to train on, so that the new training fails; the old one is in the trash.
    let run = ["run", spec, "--rerun-on", "code", "--only", "train"];
    let output = command(folder.path(), &run).output().unwrap();
    let training = job_of(&plan, "train");
    assert_eq!(output.status.code(), Some(1), "{}", text(&output.stderr));
    assert!(text(&output.stderr).contains(&format!("again   {}", training.id)));
    assert!(store.job_dir(&training.id).outcome().is_none());
    let old = folder.path().join("results/.trash").join(&training.id.0);
    assert!(JobDir::new(old).outcome().is_some());
}

#[test]
fn specs_tables_and_jobs_are_compared_settings_first() {
    let folder = project();
    let first = finish_all(folder.path(), &[], 2);
    let spec = SPEC.replace("max_steps = 20", "max_steps = 40");
    fs::write(folder.path().join("experiments/longer.toml"), spec).unwrap();
    let second = finish_all(folder.path(), &["train.max_steps=40"], 6);
    printed(folder.path(), &["report", "experiments/small.toml"]);

    // By hand: of eight tasks two or six are solved: 25 and 75 %; the change is 0 of four tasks and 1 of four,
    // with the standard error sqrt((8 · 0.25 / 7) / 8) = 0.188982 and t(7) = 2.364624: 44.7 points.
    let measure = "  mini_arena pass@1: 25.0 -> 75.0, +50.0 ± 44.7 points (8 tasks)\n";
    let specs = [
        "compare",
        "experiments/small.toml",
        "experiments/longer.toml",
    ];
    let expected = format!(
        "from experiments/small.toml to experiments/longer.toml\n\
         untrained\n  the same jobs\n\
         sft\n  its training: train.max_steps 20 -> 40\n{measure}"
    );
    assert_eq!(printed(folder.path(), &specs), expected);
    let tables = [
        "compare",
        "results/tables/small/table.json",
        "experiments/longer.toml",
    ];
    assert!(printed(folder.path(), &tables).contains(measure));
    let eval = |plan: &Plan| {
        let cell = plan.cells.iter().find(|cell| cell.train.is_some()).unwrap();
        cell.evals["mini_arena"].0.clone()
    };
    let jobs = printed(
        folder.path(),
        &["compare", &eval(&first), &eval(&second), "--tasks"],
    );
    assert!(jobs.contains(measure), "{jobs}");
    assert!(
        jobs.contains("    arena/2  0/2 -> 2/2\n") && !jobs.contains("arena/1 "),
        "{jobs}"
    );
    let trainings = [&first, &second].map(|plan| job_of(plan, "train").id.0.clone());
    let trainings = printed(folder.path(), &["compare", &trainings[0], &trainings[1]]);
    assert!(
        trainings.contains("  train.max_steps 20 -> 40\n  loss of the last step: 0.5000 -> 0.5000"),
        "{trainings}"
    );
}

#[test]
fn clean_moves_only_what_no_table_no_spec_and_no_process_needs() {
    let folder = project();
    let of_spec = finish_all(folder.path(), &[], 2);
    let of_table = finish_all(folder.path(), &["train.max_steps=40"], 6);
    printed(
        folder.path(),
        &[
            "report",
            "experiments/small.toml",
            "--set",
            "train.max_steps=40",
        ],
    );
    let unused = finish_all(folder.path(), &["train.max_steps=50"], 6);
    let planned = plan(
        folder.path(),
        "experiments/small.toml",
        &["train.max_steps=60"],
    );
    let store = Store::new(folder.path().join("results"));
    let running = store.job_dir(&job_of(&planned, "train").id);
    running.prepare(job_of(&planned, "train")).unwrap();
    let Claim::Ours(_lock) = running.claim().unwrap() else {
        panic!("nobody runs it")
    };
    let is_there = |plan: &Plan| -> Vec<bool> {
        let jobs = plan.jobs.iter();
        jobs.map(|job| store.job_dir(&job.id).path().is_dir())
            .collect()
    };

    let shown = printed(folder.path(), &["clean"]);
    assert!(
        shown.contains("nothing uses ") && shown.contains(" of 2 jobs; "),
        "{shown}"
    );
    assert!(shown.contains("table small"), "{shown}");
    assert!(shown.contains("experiments/small.toml"), "{shown}");
    assert!(
        is_there(&unused).iter().all(|there| *there),
        "nothing moves unasked"
    );

    let moved = printed(folder.path(), &["clean", "--move"]);
    assert!(moved.contains("moved 2 folders to "), "{moved}");
    // The evaluation of the untrained model is the same in all three.
    assert_eq!(is_there(&unused).iter().filter(|there| **there).count(), 1);
    assert!(
        is_there(&of_spec)
            .iter()
            .chain(&is_there(&of_table))
            .all(|there| *there)
    );
    assert!(running.path().is_dir());
    let trash = folder.path().join("results/.trash");
    assert_eq!(fs::read_dir(&trash).unwrap().count(), 2);

    let emptied = printed(folder.path(), &["clean", "--empty-trash"]);
    assert!(emptied.starts_with("removed 2 folders ("), "{emptied}");
    assert!(!trash.exists());
}

#[test]
fn what_cannot_be_read_keeps_clean_from_moving_anything() {
    let folder = project();
    let plan = finish_all(folder.path(), &["train.max_steps=50"], 6);
    printed(folder.path(), &["clean"]);
    let path = |name: &str| folder.path().join(name);
    let identity = format!("results/jobs/{}/identity.json", job_of(&plan, "train").id);
    let eval = plan.jobs.iter().find(|job| !job.after.is_empty()).unwrap();
    let table = json!({"rows": [{"cells": [{"sources": [{"job": eval.id}]}]}]});
    fs::create_dir_all(path("results/tables/x")).unwrap();
    fs::write(path("results/tables/x/table.json"), table.to_string()).unwrap();
    for (name, words) in [
        ("results/tables/x/table.json", "results/tables/x/table.json"),
        ("experiments/bad.toml", "experiments/bad.toml are not known"),
        (identity.as_str(), "builds on is not known"),
    ] {
        let before = fs::read(path(name)).ok();
        fs::write(path(name), "{").unwrap();

        let output = command(folder.path(), &["clean", "--move"])
            .output()
            .unwrap();
        let errors = text(&output.stderr);

        assert_eq!(output.status.code(), Some(3), "{errors}");
        assert!(
            errors.contains("nothing was moved") && errors.contains(words),
            "no {words}: {errors}"
        );
        assert!(!path("results/.trash").exists());
        // It lists all the same.
        assert!(printed(folder.path(), &["clean"]).contains(&eval.id.0));
        match before {
            Some(bytes) => fs::write(path(name), bytes).unwrap(),
            None => fs::remove_file(path(name)).unwrap(),
        }
    }
    // A link to itself cannot be followed.
    std::os::unix::fs::symlink("circle", path("experiments/circle")).unwrap();
    let output = command(folder.path(), &["clean", "--move"]).output();
    let errors = text(&output.unwrap().stderr);
    assert!(errors.contains("nothing was moved"), "{errors}");
    fs::remove_file(path("experiments/circle")).unwrap();

    // A file that is no spec, and that a spec includes.
    fs::write(
        path("experiments/part.toml"),
        "[table]\nrows = \"train.lr.peak\"\n",
    )
    .unwrap();
    let including = format!(
        "include = [\"part.toml\"]\n{}[grid]\n\"train.lr.peak\" = [1e-4, 2e-4]\n",
        SPEC.replace("lr.peak = 1e-4\n", "")
    );
    fs::write(path("experiments/whole.toml"), including).unwrap();
    let moved = printed(folder.path(), &["clean", "--move"]);
    assert!(moved.contains("moved 0 folders"), "{moved}");
}

#[test]
fn the_command_that_gets_a_folder_back_can_be_pasted_into_a_shell() {
    let folder = project();
    // A name that a shell would take apart.
    let results = folder.path().join("it's here; $HOME");
    let store = Store::new(&results);
    let plan = plan(folder.path(), "experiments/small.toml", &[]);
    let training = job_of(&plan, "train");
    finish(&store, training, (0, 0), 100);
    let checkpoint = store
        .job_dir(&training.id)
        .checkpoints()
        .join("step_000001");
    fs::create_dir_all(&checkpoint).unwrap();
    fs::write(checkpoint.join("weights"), "x").unwrap();
    let clean = |arguments: &[&str]| {
        let mut clean = command(folder.path(), arguments);
        let output = clean.env("RECODE_RESULTS", &results).output().unwrap();
        text(&output.stdout)
    };
    let paste = |shown: &str| {
        let start = format!("to get {} back: ", training.id);
        let line = shown.lines().find_map(|line| line.strip_prefix(&start));
        let mut shell = Command::new("sh");
        shell.args(["-c", line.unwrap()]).current_dir(folder.path());
        assert!(shell.status().unwrap().success(), "{shown}");
    };

    let shown = clean(&["clean", "--move", "--checkpoints"]);
    assert!(!checkpoint.exists(), "{shown}");
    paste(&shown);
    assert!(checkpoint.join("weights").is_file());

    // Now no spec needs it.
    fs::remove_file(folder.path().join("experiments/small.toml")).unwrap();
    let shown = clean(&["clean", "--move"]);
    assert!(!store.job_dir(&training.id).path().exists(), "{shown}");
    paste(&shown);
    assert!(checkpoint.join("weights").is_file());
    assert!(store.job_dir(&training.id).outcome().is_some());
}

#[test]
fn a_run_can_be_cut_to_a_part_and_stops_at_the_first_failure_if_asked() {
    let folder = project();
    let grid = SPEC.to_owned() + "[grid]\n\"train.lr.peak\" = [1e-4, 2e-4]\n";
    fs::write(folder.path().join("experiments/small.toml"), grid).unwrap();
    let run = |arguments: &[&str]| {
        let mut words = vec!["run", "experiments/small.toml", "--progress", "json"];
        words.extend(arguments);
        let output = command(folder.path(), &words).output().unwrap();
        let (code, errors) = code_of(&output);
        let events = errors
            .lines()
            .filter_map(|line| serde_json::from_str::<Json>(line).ok());
        let count = |events: &[Json], kind: &str| {
            events.iter().filter(|event| event["event"] == kind).count()
        };
        let events: Vec<Json> = events.collect();
        let counts = ["queued", "started", "failed", "blocked"].map(|kind| count(&events, kind));
        (code, counts, events)
    };

    // There are no rows to train on, so that a training fails.
    let (code, counts, _) = run(&["--only", "train.lr.peak=0.0002"]);
    assert_eq!((code, counts), (Some(1), [2, 1, 1, 1]));
    let (code, counts, _) = run(&["--only", "failed"]);
    assert_eq!((code, counts), (Some(1), [1, 1, 1, 0]));
    let (code, counts, _) = run(&["--only", "train", "--fail-fast"]);
    assert_eq!((code, counts), (Some(1), [2, 1, 1, 0]));
    let (code, counts, _) = run(&["--only", "train.reward=es"]);
    assert_eq!((code, counts), (Some(2), [0; 4]));
}

#[test]
fn the_first_steps_are_shown_to_those_who_ask_for_nothing() {
    let folder = project();

    let alone = printed(folder.path(), &[]);
    assert_eq!(alone.lines().count(), 5, "{alone}");
    let output = command(folder.path(), &["run"]).output().unwrap();
    let (code, errors) = code_of(&output);
    assert_eq!(code, Some(2));
    assert!(
        errors.contains("\n  recode run experiments/small.toml"),
        "{errors}"
    );

    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let path = folder.path().join("first.toml");
    let file = path.to_str().unwrap();
    let printed_text = printed(root, &["init", file]);
    assert!(
        printed_text.contains(&format!("recode check {file}")),
        "{printed_text}"
    );
    let again = command(root, &["init", file]).output().unwrap();
    assert_eq!(again.status.code(), Some(2), "a file is not replaced");
    // Its project is that of the current folder.
    fs::remove_dir_all(folder.path().join("datasets")).unwrap();
    let output = command(root, &["check", file]).output().unwrap();
    assert_eq!(text(&output.stdout), "ok  first: 3 cells, 5 jobs\n");
    assert_eq!(text(&output.stderr), "", "there is nothing to warn of");
}

#[test]
fn shells_get_their_completions() {
    let folder = tempfile::tempdir().unwrap();
    for (shell, word) in [
        ("bash", "_recode"),
        ("zsh", "#compdef recode"),
        ("fish", "complete -c recode"),
    ] {
        let text = printed(folder.path(), &["completions", shell]);
        assert!(text.contains(word) && text.contains("compare"), "{shell}");
    }
    let script = folder.path().join("recode.bash");
    fs::write(&script, printed(folder.path(), &["completions", "bash"])).unwrap();
    let checked = Command::new("bash")
        .arg("-n")
        .arg(&script)
        .status()
        .unwrap();
    assert!(checked.success());
}

#[test]
fn all_variables_are_in_the_help_and_on_the_page() {
    let folder = tempfile::tempdir().unwrap();
    let help = printed(folder.path(), &["--help"]);
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/running_a_grid.md");
    let page = fs::read_to_string(page).unwrap();

    for variable in VARIABLES {
        assert!(
            help.contains(&format!("  {} ", variable.name)),
            "{}",
            variable.name
        );
        let row = format!("| `{}` | {} |", variable.name, variable.meaning);
        assert!(page.contains(&row), "{row}");
    }
}

#[test]
fn the_page_on_grids_shows_what_the_program_prints() {
    let project = Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = fs::read_to_string(project.join("docs/running_a_grid.md")).unwrap();
    let folder = tempfile::tempdir().unwrap();
    std::os::unix::fs::symlink(project.join("datasets"), folder.path().join("datasets")).unwrap();
    printed(folder.path(), &["init", "my.toml"]);

    let spec = fs::read_to_string(folder.path().join("my.toml")).unwrap();
    let axis = "\"train.lr.peak\" = [1e-4, 2e-4]";
    assert!(spec.contains(axis) && page.contains(axis));
    let arguments = [
        "config",
        "my.toml",
        "--set",
        "train.max_steps=30",
        "--origin",
    ];
    let config = printed(folder.path(), &arguments);
    let line = |text: &str| {
        let mut lines = text.lines();
        let line = lines
            .find(|line| line.starts_with("train.max_steps = 30 "))
            .unwrap();
        let words: Vec<&str> = line.split_whitespace().collect();
        // The line of the defaults changes with each new setting.
        let words = words.join(" ");
        words.split_once("defaults.toml):").unwrap().0.to_owned()
    };
    assert_eq!(line(&page), line(&config));
}

/// A grid of a thousand points, and a spec whose jobs are all done among ten thousand.
#[test]
#[ignore = "takes long, and prints times that a quiet machine should show"]
#[expect(clippy::print_stderr, reason = "times are for people")]
fn large_grids_are_planned_and_ten_thousand_jobs_are_found() {
    let folder = project();
    let mut times = Vec::new();
    let mut timed = |arguments: &[&str], most: f64| {
        let started = Instant::now();
        let text = printed(folder.path(), arguments);
        times.push((arguments.join(" "), started.elapsed().as_secs_f64(), most));
        text
    };
    let spec = |name: &str, peaks: usize, seeds: usize| {
        let peaks: Vec<String> = (1..=peaks).map(|peak| format!("{peak}e-6")).collect();
        let seeds: Vec<String> = (0..seeds).map(|seed| seed.to_string()).collect();
        let text = format!(
            "{}[grid]\n\"train.lr.peak\" = [{}]\n\"run.seeds\" = [[{}]]\n",
            SPEC.replace("lr.peak = 1e-4\n", ""),
            peaks.join(", "),
            seeds.join(", ")
        );
        fs::write(folder.path().join(name), text).unwrap();
    };
    // 500 trainings with an evaluation each, and one of the untrained model.
    spec("experiments/thousand.toml", 500, 1);
    let thousand = timed(&["plan", "experiments/thousand.toml"], 0.2);
    assert!(
        thousand.contains("500 trainings + 501 evaluations"),
        "{thousand}"
    );

    // 49 · 100 trainings with an evaluation each, and a hundred of the untrained model.
    spec("experiments/many.toml", 49, 100);
    let store = Store::new(folder.path().join("results"));
    let jobs = plan(folder.path(), "experiments/many.toml", &[]).jobs;
    assert_eq!(jobs.len(), 9_900);
    for job in &jobs {
        finish_fast(&store, job);
    }
    assert!(timed(&["status"], 2.0).ends_with("9900 done\n"));
    assert!(timed(&["plan", "experiments/many.toml"], 2.0).contains("reuse 9900"));
    let why = timed(&["why", &jobs[jobs.len() - 1].id.0], 1.0);
    assert!(why.contains("with 1 difference"), "{why}");
    timed(&["why", "experiments/small.toml"], 1.0);
    timed(&["plan", "experiments/small.toml"], 2.0);

    // Not compared: a busy machine takes longer.
    eprintln!("seconds, and the most that a quiet machine should take: {times:#?}");
}
