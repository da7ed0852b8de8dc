//! A training that is killed at random moments, or runs out of disk, ends like an undisturbed one.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on has failed"
)]

use std::{
    fs,
    os::unix::process::ExitStatusExt as _,
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    sync::LazyLock,
    thread,
    time::{Duration, Instant},
};

use recode::{
    data::Cache,
    digest::Digest,
    plan::{Job, JobKind, Plan, ProjectInputs},
    results::{JobState, Store},
    seed::{Stream, stream},
    spec::{Request, Surroundings, load},
};
use serde_json::Value as Json;

const STEPS: usize = 30;
const SAVE_EVERY: usize = 3;
const KILLS: usize = 20;

/// A small version of the quickstart's training, with everything that draws random numbers:
/// completions, the order of rows, dropout. What is measured before the first step is part of the outcome.
pub(crate) const SETTINGS: &[&str] = &[
    "model.adapter.kind=\"dora\"",
    "model.adapter.r=4",
    "model.adapter.alpha=8",
    "model.adapter.dropout=0.1",
    "train.max_steps=30",
    "train.grpo.batch_size=2",
    "train.group_size=4",
    "train.sampling.max_completion_tokens=48",
    "train.save_every=3",
    "train.target_log_prob_rows=70",
];

/// Prepares the job folder of the quickstart's training in a folder of results.
pub(crate) fn prepare(results: &Path, settings: &[&str]) -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let around = Surroundings::at(root).unwrap();
    let overrides: Vec<String> = settings.iter().map(|&text| text.to_owned()).collect();
    let request = Request {
        file: &root.join("tests/fixtures/untrained_and_grpo.toml"),
        overrides: &overrides,
        environment: &[],
        around: &around,
    };
    let experiment = load(&request).unwrap_or_else(|mistakes| panic!("{mistakes}"));
    let cache = Cache::at(results.join("cache"));
    let inputs = ProjectInputs::new(around.manifest.as_ref(), cache);
    let plan = Plan::new(&experiment, &inputs).unwrap();
    let is_training = |job: &&Job| job.id.kind() == Some(JobKind::Train);
    let job = plan.jobs.iter().find(is_training).unwrap();
    let dir = Store::new(results).job_dir(&job.id);
    dir.prepare(job).unwrap();
    dir.path().to_owned()
}

pub(crate) fn start(job: &Path, attempt: usize) -> Child {
    Command::new(env!("CARGO_BIN_EXE_recode"))
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .env_remove("RUST_LOG")
        .arg("job")
        .arg(job)
        .args(["--attempt", &attempt.to_string()])
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

pub(crate) fn finish(job: &Path, attempt: usize) {
    let output = start(job, attempt).wait_with_output().unwrap();
    assert!(output.status.success(), "{}", errors(&output));
}

pub(crate) fn errors(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Everything that must not depend on interruptions.
#[derive(Debug, PartialEq)]
pub(crate) struct Trace {
    /// The lines of `metrics.jsonl`, without their times.
    pub(crate) metrics: Vec<String>,
    pub(crate) samples: String,
    /// The lines of `evaluations.jsonl`, if there were evaluations.
    pub(crate) evaluations: String,
    pub(crate) outcome: String,
    model: Digest,
}

impl Trace {
    pub(crate) fn of(job: &Path) -> Self {
        let text = |name: &str| fs::read_to_string(job.join(name)).unwrap();
        let timeless = |line: &str| {
            let mut line: Json = serde_json::from_str(line).unwrap();
            line.as_object_mut().unwrap().remove("timing").unwrap();
            line.to_string()
        };
        Self {
            metrics: text("metrics.jsonl").lines().map(timeless).collect(),
            samples: text("samples.jsonl"),
            evaluations: fs::read_to_string(job.join("evaluations.jsonl")).unwrap_or_default(),
            outcome: text("outcome.json"),
            model: Digest::of_folder(&job.join("model")).unwrap(),
        }
    }
}

/// An undisturbed training, and its duration.
struct Quiet {
    trace: Trace,
    duration: Duration,
}

static QUIET: LazyLock<Quiet> = LazyLock::new(|| {
    let results = tempfile::tempdir().unwrap();
    let job = prepare(results.path(), SETTINGS);
    let clock = Instant::now();
    finish(&job, 1);
    let trace = Trace::of(&job);
    assert_eq!(trace.metrics.len(), STEPS);
    assert_eq!(trace.samples.lines().count(), STEPS * 8);
    let outcome: Json = serde_json::from_str(&trace.outcome).unwrap();
    assert_eq!(outcome["train"]["target_log_prob"]["rows"], 70);
    Quiet {
        trace,
        duration: clock.elapsed(),
    }
});

pub(crate) fn assert_quiet(job: &Path) {
    let trace = Trace::of(job);
    assert_eq!(trace.metrics, QUIET.trace.metrics);
    assert!(trace.samples == QUIET.trace.samples, "samples differ");
    assert_eq!(trace, QUIET.trace);
}

/// The moment at which a training is killed.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Moment {
    /// Before it has read its checkpoint, or shortly after.
    Beginning,
    /// Anywhere within a step or between two.
    Step,
    /// While it writes a checkpoint.
    Checkpoint,
}

const MOMENTS: [Moment; 4] = [
    Moment::Beginning,
    Moment::Step,
    Moment::Step,
    Moment::Checkpoint,
];

/// Waits for a moment after `goal` steps, and kills the training.
fn kill_at(moment: Moment, goal: usize, attempt: usize, job: &Path, draw: &mut Stream) {
    let mut child = start(job, attempt);
    let step = QUIET.duration.div_f64(STEPS as f64);
    let goal = match moment {
        Moment::Checkpoint => goal.next_multiple_of(SAVE_EVERY),
        Moment::Beginning | Moment::Step => goal,
    };
    if moment != Moment::Beginning {
        // The file exists once the records of steps that are repeated have been removed.
        let events = job.join(format!("tb/events.out.tfevents.{attempt:010}.recode"));
        wait(&mut child, || events.exists() && steps(job) >= goal);
    }
    thread::sleep(match moment {
        // A checkpoint is written right after the records of its step.
        Moment::Checkpoint => Duration::from_millis(5).mul_f64(draw.uniform()),
        Moment::Beginning | Moment::Step => step.mul_f64(2.0 * draw.uniform()),
    });
    child.kill().unwrap();
    let status = child.wait().unwrap();
    assert_eq!(status.signal(), Some(9), "{moment:?} of step {goal}");
}

pub(crate) fn wait(child: &mut Child, is_so: impl Fn() -> bool) {
    while !is_so() {
        assert!(child.try_wait().unwrap().is_none(), "it ended too early");
        thread::sleep(Duration::from_micros(300));
    }
}

/// The number of steps in `metrics.jsonl`.
pub(crate) fn steps(job: &Path) -> usize {
    let text = fs::read(job.join("metrics.jsonl")).unwrap_or_default();
    String::from_utf8_lossy(&text).matches('\n').count()
}

#[test]
fn a_training_killed_twenty_times_ends_with_the_same_bytes() {
    let results = tempfile::tempdir().unwrap();
    let job = prepare(results.path(), SETTINGS);
    // Computed first, so that it does not compete with the training that is killed.
    LazyLock::force(&QUIET);
    let mut draw = stream(20, "kill", 0, 0);
    let mut moments = Vec::new();

    for kill in 0..KILLS {
        let moment = MOMENTS[draw.below(MOMENTS.len())];
        let goal = kill * (STEPS - 4) / KILLS;
        kill_at(moment, goal, kill + 1, &job, &mut draw);
        moments.push(moment);
    }
    assert!(MOMENTS.iter().all(|moment| moments.contains(moment)));
    assert!(steps(&job) > STEPS / 2, "no kill was late");
    finish(&job, KILLS + 1);

    assert_quiet(&job);
}

#[test]
fn a_killed_training_that_records_few_samples_records_the_same() {
    const EVERY: u64 = 4;
    let results = tempfile::tempdir().unwrap();
    let job = prepare(
        results.path(),
        &[SETTINGS, &["train.samples_every=4"]].concat(),
    );
    LazyLock::force(&QUIET);
    let mut draw = stream(4, "kill", 0, 0);

    for (kill, goal) in [3, 8, 17].into_iter().enumerate() {
        kill_at(Moment::Step, goal, kill + 1, &job, &mut draw);
    }
    finish(&job, 4);

    // Identity: the bytes of a training that records all samples, without those of the steps
    // between.
    let is_recorded = |line: &&str| {
        let line: Json = serde_json::from_str(line).unwrap();
        line["step"].as_u64().unwrap().is_multiple_of(EVERY)
    };
    let all = QUIET.trace.samples.split_inclusive('\n');
    let expected: String = all.filter(is_recorded).collect();
    let trace = Trace::of(&job);
    assert!(trace.samples == expected, "samples differ");
    assert_eq!(trace.metrics, QUIET.trace.metrics);
    assert_eq!(trace.model, QUIET.trace.model);
    assert_eq!(trace.outcome, QUIET.trace.outcome);
}

#[test]
fn a_training_with_little_room_for_keys_and_values_ends_with_the_same_bytes() {
    // A token takes 4 KiB and a sequence has 100 to 126 tokens, so two of the eight run at once.
    let results = tempfile::tempdir().unwrap();
    let narrow = [SETTINGS, &["model.kv_cache=\"1MiB\""]].concat();
    let job = prepare(results.path(), &narrow);

    finish(&job, 1);

    assert_quiet(&job);
}

/// Runs a job whose files cannot become larger than `blocks` blocks of 512 bytes.
fn run_cramped(job: &Path, blocks: usize, attempt: usize) -> Output {
    // The signal of this limit would end the process before it can report an error.
    let script = "trap '' XFSZ; ulimit -f \"$1\"; shift; exec \"$@\"";
    Command::new("sh")
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .env_remove("RUST_LOG")
        .args(["-c", script, "sh", &blocks.to_string()])
        .args([env!("CARGO_BIN_EXE_recode"), "job"])
        .arg(job)
        .args(["--attempt", &attempt.to_string()])
        .output()
        .unwrap()
}

#[test]
fn a_training_that_cannot_write_reports_it_and_resumes_to_the_same_bytes() {
    let results = tempfile::tempdir().unwrap();
    let job = prepare(results.path(), SETTINGS);
    let dir = Store::new(results.path()).jobs().remove(0);

    let mut reasons = Vec::new();
    for (attempt, blocks) in [(1, 16), (2, 64), (3, 128)] {
        let output = run_cramped(&job, blocks, attempt);
        let text = errors(&output);
        // 69 says that it may work later; not every reader of a file reports the disk as the cause.
        assert!(matches!(output.status.code(), Some(1 | 69)), "{text}");
        assert!(text.contains("cannot write"), "{text}");
        assert!(text.contains("File too large"), "{text}");
        let JobState::Failed { reason } = dir.state().unwrap() else {
            panic!("it failed")
        };
        reasons.push(reason);
    }
    for file in ["samples.jsonl", "checkpoints/.unfinished-step_"] {
        assert!(
            reasons.iter().any(|reason| reason.contains(file)),
            "{reasons:?}"
        );
    }
    finish(&job, 4);

    assert_quiet(&job);
}

/// Runs a job twice: on a full disk of one megabyte, and after the disk has grown.
const ON_A_SMALL_DISK: &str = r#"
set -e
mount -t tmpfs -o size=1m none "$1"
cp -r "$2" "$1/job"
head -c 600k /dev/zero > "$1/others"
first=0
"$3" job "$1/job" --attempt 1 || first=$?
mount -o remount,size=64m "$1"
"$3" job "$1/job" --attempt 2
cp -r "$1/job" "$4"
exit "$first"
"#;

#[test]
#[ignore = "needs the right to mount a tmpfs: run as root, or where users have namespaces"]
fn a_training_on_a_full_disk_reports_it_and_resumes_to_the_same_bytes() {
    let results = tempfile::tempdir().unwrap();
    let job = prepare(results.path(), SETTINGS);
    let [disk, after] = ["disk", "after"].map(|name| results.path().join(name));
    fs::create_dir(&disk).unwrap();

    let output = Command::new("unshare")
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .args(["--user", "--map-root-user", "--mount", "sh", "-c"])
        .args([ON_A_SMALL_DISK, "sh"])
        .args([&disk, &job, Path::new(env!("CARGO_BIN_EXE_recode")), &after])
        .output()
        .unwrap();

    let text = errors(&output);
    assert!(matches!(output.status.code(), Some(1 | 69)), "{text}");
    assert!(text.contains("error: cannot"), "{text}");
    assert!(text.contains("No space left on device"), "{text}");
    assert_quiet(&after);
}
