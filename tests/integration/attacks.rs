//! Programs that attack the judge: none passes, harms another program, or leaves anything on the machine.

#![expect(clippy::unwrap_used, reason = "a test fails by a panic")]

use std::{
    collections::BTreeMap,
    fs, io,
    io::Write as _,
    os::unix::{
        fs::{PermissionsExt as _, chown, symlink},
        process::CommandExt as _,
    },
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use recode::sandbox::{Interpreter, Pool, Program, Settings, Verdict};
use serde::Deserialize;
use serde_json::{Value, json};

#[derive(Deserialize)]
struct Attacks {
    attack: Vec<Attack>,
}

#[derive(Deserialize)]
struct Attack {
    name: String,
    tries: String,
    must: String,
    source: String,
}

fn attacks() -> Vec<Attack> {
    let text = include_str!("../fixtures/attacks.toml");
    toml::from_str::<Attacks>(text).unwrap().attack
}

/// A program that passes only in a clean environment.
const AS_NEW: &str = "
import fcntl, os, math, random, heapq, stat, time
folder = os.stat('.')
assert (folder.st_atime_ns, folder.st_mtime_ns, stat.S_IMODE(folder.st_mode)) == (0, 0, 0o700), folder
left = os.O_APPEND | os.O_ASYNC | os.O_DIRECT | os.O_NOATIME
for number in range(64):
    try:
        flags, status = fcntl.fcntl(number, fcntl.F_GETFL), os.fstat(number)
    except OSError:
        continue
    assert not flags & left, (number, flags)
    if number > 2:
        assert stat.S_ISFIFO(status.st_mode) and stat.S_IMODE(status.st_mode) == 0o600, (number, status)
        assert abs(status.st_mtime - time.time()) < 60 > abs(status.st_atime - time.time()), (number, status)
assert os.listdir('.') == [], os.listdir('.')
assert math.pi > 3.14 and heapq.nsmallest(1, [2, 1]) == [1]
open('own', 'w').write('x')
";

#[test]
fn no_attack_passes_or_touches_the_next_program() {
    let settings = Settings {
        workers: 1,
        memory_bytes: 1 << 30,
        ..Settings::default()
    };
    let pool = Pool::start(&settings).unwrap();
    let timeout = Duration::from_secs(5);
    let attacks = attacks();
    assert!(attacks.len() >= 94, "{}", attacks.len());
    let mut wrong = Vec::new();
    for attack in attacks {
        let Attack {
            name,
            tries,
            must,
            source,
        } = attack;
        let verdict = pool
            .run(&Program {
                source,
                timeout,
                seed: 0,
            })
            .unwrap();
        if verdict.is_pass() != (must == "pass") {
            wrong.push(format!("{name}, which tries {tries}: {verdict:?}"));
        }
        let next = pool
            .run(&Program {
                source: AS_NEW.to_owned(),
                timeout: timeout * 4,
                seed: 0,
            })
            .unwrap();
        if next != Verdict::Pass {
            wrong.push(format!("after {name}, which tries {tries}: {next:?}"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// A Python that users may run who cannot read a home folder.
fn python_for_everybody() -> PathBuf {
    let default = Interpreter::find(&Settings::default_interpreter());
    let known = ["/usr/bin/python3", "/usr/local/bin/python3"].map(PathBuf::from);
    let mut all = default.into_iter().map(|found| found.path).chain(known);
    all.find(|python| {
        Command::new(python)
            .args(["-c", "import ctypes"])
            .uid(NOBODY)
            .gid(NOBODY)
            .status()
            .is_ok_and(|status| status.success())
    })
    .expect("this test needs a Python that every user may run, such as /usr/bin/python3")
}

/// A user that owns nothing.
const NOBODY: u32 = 65534;

/// A folder with a link to Python that nothing else uses, so that its processes can be found.
struct Traced {
    folder: tempfile::TempDir,
    python: PathBuf,
    recode: PathBuf,
    /// The user that the judge runs as, if it is another one than this test's.
    user: Option<u32>,
}

impl Traced {
    fn new() -> Self {
        let real = Interpreter::find(&Settings::default_interpreter());
        Self::with(&real.unwrap().path)
    }

    /// For a judge without any rights, even if root runs this test.
    fn unprivileged() -> Self {
        if !rustix::process::geteuid().is_root() {
            return Self::new();
        }
        let mut traced = Self::with(&python_for_everybody());
        traced.user = Some(NOBODY);
        let open = fs::Permissions::from_mode(0o755);
        fs::set_permissions(traced.folder.path(), open).unwrap();
        chown(traced.path(""), Some(NOBODY), Some(NOBODY)).unwrap();
        traced.recode = traced.folder.path().join("recode");
        fs::copy(env!("CARGO_BIN_EXE_recode"), &traced.recode).unwrap();
        traced
    }

    fn with(real: &Path) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let python = folder.path().join("python-of-this-test");
        symlink(real, &python).unwrap();
        fs::create_dir(folder.path().join("work")).unwrap();
        Self {
            folder,
            python,
            recode: env!("CARGO_BIN_EXE_recode").into(),
            user: None,
        }
    }

    /// A file in the folder that the judge writes to.
    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join("work").join(name)
    }

    fn command(&self) -> Command {
        let mut command = Command::new(&self.recode);
        if let Some(user) = self.user {
            command.uid(user).gid(user);
        }
        command
            .env("RECODE_PYTHON", &self.python)
            .env("TMPDIR", self.path(""))
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    /// The command that judges the given programs as samples of a benchmark with one task.
    fn judge(&self, programs: &[&str]) -> Command {
        let task = json!({
            "task_id": "T/0", "prompt": "", "entry_point": "f", "canonical_solution": "",
            "test": "def f(): pass\ndef check(f): pass",
        });
        let mut judge = self.judge_task("humaneval", &task, programs);
        // They are whole programs, which answer no calls.
        judge.arg("--in-process");
        judge
    }

    fn judge_task(&self, benchmark: &str, task: &Value, programs: &[&str]) -> Command {
        fs::write(self.path("tasks.jsonl"), format!("{task}\n")).unwrap();
        let mut samples = fs::File::create(self.path("samples.jsonl")).unwrap();
        for program in programs {
            let sample = json!({ "task_id": "T/0", "solution": program });
            writeln!(samples, "{sample}").unwrap();
        }
        let mut command = self.command();
        command
            .args(["judge", "--timeout", "4", "--workers", "2"])
            .args(["--benchmark", benchmark])
            .arg("--data")
            .arg(self.path("tasks.jsonl"))
            .arg("--samples")
            .arg(self.path("samples.jsonl"))
            .arg("--out")
            .arg(self.path("out.json"));
        command
    }

    /// The verdicts in the file that judging has written.
    fn verdicts(&self) -> Vec<Value> {
        let file: Value =
            serde_json::from_slice(&fs::read(self.path("out.json")).unwrap()).unwrap();
        file["samples"].as_array().unwrap().clone()
    }

    /// The processes that run the link.
    fn processes(&self) -> Vec<PathBuf> {
        let name = self.python.to_str().unwrap();
        fs::read_dir("/proc")
            .unwrap()
            .filter_map(Result::ok)
            .map(|entry| entry.path())
            .filter(|path| {
                fs::read(path.join("cmdline"))
                    .is_ok_and(|line| String::from_utf8_lossy(&line).contains(name))
            })
            .collect()
    }

    fn assert_nothing_runs_within(&self, time: Duration) {
        let deadline = Instant::now() + time;
        while !self.processes().is_empty() {
            assert!(
                Instant::now() < deadline,
                "still there: {:?}",
                self.processes()
            );
            thread::sleep(Duration::from_millis(50));
        }
    }
}

fn wait_for(what: &str, is_there: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_mins(1);
    while !is_there() {
        assert!(Instant::now() < deadline, "waited too long for {what}");
        thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn after_the_attacks_no_process_and_no_file_is_left() {
    assert_harmless(&Traced::new());
}

#[test]
fn a_judge_without_any_rights_withstands_the_same_attacks() {
    assert_harmless(&Traced::unprivileged());
}

fn assert_harmless(traced: &Traced) {
    let attacks = attacks();
    let programs: Vec<&str> = attacks
        .iter()
        .map(|attack| attack.source.as_str())
        .collect();

    let output = traced.judge(&programs).output().unwrap();

    assert!(output.status.success(), "{output:?}");
    let wrong: Vec<_> = attacks
        .iter()
        .zip(traced.verdicts())
        .filter(|(attack, verdict)| verdict["passed"] != json!(attack.must == "pass"))
        .map(|(attack, verdict)| {
            format!("{}, which tries {}: {verdict}", attack.name, attack.tries)
        })
        .collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
    let mut files: Vec<_> = fs::read_dir(traced.path(""))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    files.sort();
    assert_eq!(files, ["out.json", "samples.jsonl", "tasks.jsonl"]);
    traced.assert_nothing_runs_within(Duration::from_secs(5));
}

/// Reads the nonce and sends its proof, as the driver does.
const KNOWS_THE_DRIVER: &str = "
import hashlib, os
def f(x):
    return [x]
for descriptor in range(3, 64):
    try:
        os.set_blocking(descriptor, False)
        nonce = os.read(descriptor, 64)
    except OSError:
        continue
    if len(nonce) == 32:
        break
proof = hashlib.sha256(b'the last assertion holds' + nonce).digest()
for descriptor in range(3, 64):
    try:
        os.write(descriptor, b'P' + (32).to_bytes(4, 'little') + proof)
    except OSError:
        pass
os._exit(0)
";

/// Makes the timers of its interpreter useless, and is far too slow in its second call.
const SWALLOWS_TIMERS: &str = "
import time
calls = 0
def f(x):
    global calls
    calls += 1
    end = time.time() + 12 if calls == 2 else 0
    while time.time() < end:
        try:
            while time.time() < end: pass
        except BaseException: pass
    return x
";

/// Sends a quarter of a gigabyte in place of its answers.
const FLOODS: &str = "
import os
def f(x):
    data = b'V' + (1 << 28).to_bytes(4, 'little') + b'x' * (1 << 28)
    for descriptor in range(3, 64):
        try:
            left = memoryview(data)
            while left: left = left[os.write(descriptor, left):]
        except OSError: pass
    return x
";

/// Returns an object that equals everything.
const EQUALS_EVERYTHING: &str = "
class Equal:
    def __eq__(self, other): return True
def f(x):
    return Equal()
";

#[test]
fn a_program_that_knows_the_driver_passes_in_process_only() {
    let traced = Traced::new();
    let task = json!({
        "task_id": "T/0", "prompt": "def f(x):\n", "entry_point": "f",
        "canonical_solution": "    return x\n", "contract": "", "atol": 0,
        "test": "def check(f):\n    assert f(1) == 1\n", "base_input": [[1]], "plus_input": [[2]],
    });
    let right = "def f(x):\n    return x\n";
    let programs = [right, KNOWS_THE_DRIVER, EQUALS_EVERYTHING];
    let passed = |is_in_process: bool| -> Vec<bool> {
        let mut judge = traced.judge_task("humaneval_plus", &task, &programs);
        if is_in_process {
            judge.arg("--in-process");
        }
        let output = judge.env("RECODE_CACHE", traced.path("")).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        let file: Value =
            serde_json::from_slice(&fs::read(traced.path("out.json")).unwrap()).unwrap();
        let samples = file["eval"]["T/0"].as_array().unwrap();
        samples
            .iter()
            .map(|sample| sample["plus_status"] == "pass")
            .collect()
    };

    assert_eq!(passed(false), [true, false, false]);
    // This records the limit of sharing one interpreter. [true, false, …] would be better.
    assert_eq!(passed(true), [true, true, true]);
}

#[test]
fn neither_a_swallowed_timer_nor_a_flood_of_answers_passes_or_fills_the_judge() {
    let traced = Traced::new();
    let task = json!({
        "task_id": "T/0", "prompt": "def f(x):\n", "entry_point": "f",
        "canonical_solution": "    return x\n", "contract": "", "atol": 0,
        "test": "", "base_input": [[1], [2]], "plus_input": [[2]],
    });
    let programs = [SWALLOWS_TIMERS, FLOODS];
    let mut judge = traced.judge_task("humaneval_plus", &task, &programs);
    judge.env("RECODE_CACHE", traced.path(""));
    let mut judge = judge.spawn().unwrap();
    let status = Path::new("/proc")
        .join(judge.id().to_string())
        .join("status");
    let mut most = 0;
    while judge.try_wait().unwrap().is_none() {
        let text = fs::read_to_string(&status).unwrap_or_default();
        let peak = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let peak = peak.and_then(|peak| peak.trim().strip_suffix(" kB")?.parse().ok());
        most = most.max(peak.unwrap_or(0_u64));
        thread::sleep(Duration::from_millis(20));
    }

    let file: Value = serde_json::from_slice(&fs::read(traced.path("out.json")).unwrap()).unwrap();
    for sample in file["eval"]["T/0"].as_array().unwrap() {
        assert_ne!(sample["base_status"], "pass", "{sample}");
    }
    assert!(most > 1 << 12 && most < 200 << 10, "{most} KiB");
}

fn kill(child: &Child, signal: &str) -> io::Result<()> {
    let status = Command::new("kill")
        .args([signal, &child.id().to_string()])
        .status()?;
    assert!(status.success());
    Ok(())
}

#[test]
fn when_the_judge_is_killed_everything_dies() {
    let traced = Traced::new();
    let sleeper = "import time\ntime.sleep(1000)";
    let mut judge = traced
        .judge(&[sleeper, "while True: pass"])
        .spawn()
        .unwrap();
    wait_for("the programs", || traced.processes().len() >= 4);

    kill(&judge, "-KILL").unwrap();
    judge.wait().unwrap();

    traced.assert_nothing_runs_within(Duration::from_secs(5));
    let folders = fs::read_dir(traced.path("")).unwrap();
    let left: Vec<_> = folders
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_dir())
        .collect();
    assert!(left.is_empty(), "{left:?}");
}

/// The parent of a process.
fn parent_of(process: &Path) -> Option<PathBuf> {
    let stat = fs::read_to_string(process.join("stat")).ok()?;
    let (_, fields) = stat.rsplit_once(')')?;
    let parent = fields.split_ascii_whitespace().nth(1)?;
    Some(Path::new("/proc").join(parent))
}

impl Traced {
    /// The server of a program that runs: a program, its server and the watcher are children and parents.
    fn busy_server(&self) -> Option<PathBuf> {
        let all = self.processes();
        let parent = |process: &PathBuf| parent_of(process).filter(|parent| all.contains(parent));
        all.iter()
            .filter_map(parent)
            .find(|server| parent(server).is_some())
    }

    /// Kills the server of a program, and returns whether there was one.
    fn kill_a_server(&self) -> bool {
        let Some(server) = self.busy_server() else {
            return false;
        };
        // When a server starts, it has children that are no programs, for a few milliseconds.
        thread::sleep(Duration::from_millis(100));
        if self.busy_server().as_ref() != Some(&server) {
            return false;
        }
        let number = server.file_name().unwrap().to_str().unwrap();
        let status = Command::new("kill").args(["-KILL", number]).status();
        status.unwrap().success()
    }
}

#[test]
fn a_killed_server_is_not_a_wrong_answer() {
    let traced = Traced::new();
    let slow = "import time\ntime.sleep(2)";
    let mut judge = traced.judge(&[slow]).arg("--no-cache").spawn().unwrap();
    wait_for("the program", || traced.kill_a_server());
    assert!(judge.wait().unwrap().success());

    assert_eq!(traced.verdicts()[0]["verdict"], "pass");
}

#[test]
fn a_program_whose_server_is_killed_twice_gets_a_verdict_with_the_cause() {
    let traced = Traced::new();
    let slow = "import time\ntime.sleep(2)";
    let mut judge = traced.judge(&[slow]).arg("--no-cache").spawn().unwrap();
    while judge.try_wait().unwrap().is_none() {
        traced.kill_a_server();
        thread::sleep(Duration::from_millis(20));
    }

    let verdict = &traced.verdicts()[0];
    assert_eq!(
        (&verdict["verdict"], &verdict["signal"]),
        (&json!("died"), &json!(9)),
        "{verdict}"
    );
}

#[test]
fn stopped_by_a_signal_the_same_command_judges_only_the_rest() {
    let traced = Traced::new();
    let log = traced.path("out.json.partial");
    let programs = [
        "x = 1",
        "import time\ntime.sleep(2)",
        "x = 2",
        "while True: pass",
        "x = 3",
    ];
    let mut judge = traced.judge(&programs).spawn().unwrap();
    wait_for("the first verdict", || {
        fs::read_to_string(&log).is_ok_and(|text| text.ends_with('\n'))
    });

    kill(&judge, "-INT").unwrap();
    let stopped = judge.wait().unwrap();
    let output = traced.judge(&programs).output().unwrap();

    assert!([Some(75), Some(0)].contains(&stopped.code()), "{stopped}");
    assert!(output.status.success(), "{output:?}");
    let judged = traced.verdicts();
    let verdicts: Vec<_> = judged
        .iter()
        .map(|s| s["verdict"].as_str().unwrap())
        .collect();
    assert_eq!(verdicts, ["pass", "pass", "pass", "timeout", "pass"]);
    assert!(!log.exists());
}

#[test]
fn a_line_that_cannot_be_read_stops_no_other() {
    let traced = Traced::new();
    let mut command = traced.judge(&[]);
    // A mark at the beginning, half a surrogate pair and NaN are what Python writes and reads.
    let lines = "\u{feff}{\"task_id\": \"T/0\", \"solution\": \"# \\ud83d\"}\n\
                 {\"task_id\": \"T/0\", \"solution\": \"x = 2\", \"score\": [NaN, -Infinity]}\n\
                 {\"task_id\": \"T/9\", \"solution\": \"\"}\nx\n{\"task_id\": \"T/0\"}\n";
    fs::write(traced.path("samples.jsonl"), lines).unwrap();

    let output = command.output().unwrap();

    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert_eq!(traced.verdicts().len(), 2);
    let text = String::from_utf8_lossy(&output.stderr);
    let warning = "warning: `--samples` has 3 bad lines: line 3: `humaneval` has no task `T/9`; \
                   line 4: expected value; line 5: missing field `solution` or `completion`; \
                   they are in no rate";
    assert!(text.contains(warning), "{text}");
}

#[test]
fn samples_and_tasks_may_come_from_pipes() {
    for name in ["samples.jsonl", "tasks.jsonl"] {
        let traced = Traced::new();
        let mut judge = traced.judge(&["x = 1", "x = 2"]);
        let text = fs::read(traced.path(name)).unwrap();
        fs::remove_file(traced.path(name)).unwrap();
        symlink("/dev/stdin", traced.path(name)).unwrap();

        let mut judge = judge.stdin(Stdio::piped()).spawn().unwrap();
        judge.stdin.take().unwrap().write_all(&text).unwrap();

        assert!(judge.wait().unwrap().success(), "{name}");
        assert_eq!(traced.verdicts().len(), 2, "{name}");
    }
}

#[test]
fn without_python_the_hint_says_how_to_name_one() {
    let traced = Traced::new();
    let output = traced
        .judge(&["x = 1"])
        .env("RECODE_PYTHON", Path::new("/no/python"))
        .output()
        .unwrap();

    assert_eq!(output.status.code(), Some(3));
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    insta::assert_snapshot!(errors, @r"
    error: cannot run Python as `/no/python`: No such file or directory (os error 2)
    help: install Python 3.9 or newer, or name one: RECODE_PYTHON=/path/to/python3 recode judge …
    ");
}

#[test]
fn the_summary_as_json_counts_verdicts_and_rates() {
    let traced = Traced::new();
    let output = traced
        .judge(&["x = 1", "raise SystemExit(0)"])
        .arg("--json")
        .output()
        .unwrap();

    assert!(output.status.success(), "{output:?}");
    let summary: Value = serde_json::from_slice(&output.stdout).unwrap();
    let counts: BTreeMap<String, u64> =
        serde_json::from_value(summary["summary"]["verdicts"].clone()).unwrap();
    assert_eq!(
        counts,
        BTreeMap::from([("error".to_owned(), 1), ("pass".to_owned(), 1)])
    );
    assert_eq!(summary["summary"]["pass_at_k"]["pass@1"], 0.5);
    assert_eq!(summary["sandbox"], "all safeguards are on");
}
