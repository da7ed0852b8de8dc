//! The file of `recode judge --out`: what cannot be written is known before anything runs.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::{
    fs,
    os::unix::fs::{MetadataExt as _, symlink},
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
    time::{Duration, Instant},
};

use rustix::fs::{CWD, Mode, mkfifoat};

const TASK: &str = r#"{"task_id": "T/0", "prompt": "def f(x):\n", "entry_point": "f",
 "canonical_solution": "    return x\n", "test": "def check(f):\n    assert f(1) == 1\n"}"#;
const SAMPLE: &str = r#"{"task_id": "T/0", "completion": "    return x\n"}"#;

struct Case {
    folder: tempfile::TempDir,
}

impl Case {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("data.jsonl"), TASK.replace('\n', " ")).unwrap();
        fs::write(folder.path().join("samples.jsonl"), SAMPLE).unwrap();
        Self { folder }
    }

    fn at(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Judges with a Python that is not there, unless `runs`.
    fn judge(&self, samples: &str, out: &Path, runs: bool) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_recode"));
        command
            .current_dir(self.folder.path())
            .env("RECODE_CACHE", self.at("cache"))
            .args(["judge", "--benchmark", "humaneval", "--data", "data.jsonl"])
            .args(["--no-cache", "--samples", samples, "--out"])
            .arg(out)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        if !runs {
            command.args(["--python", "/no/python"]);
        }
        command
    }

    fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(self.folder.path()).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<_> = names.filter(|name| name != "cache").collect();
        names.sort();
        names
    }
}

fn ends_with(output: &Output, code: i32, reason: &str) {
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{stderr}");
    assert!(stderr.contains(reason), "{stderr}");
    assert!(!stderr.contains("at path"), "{stderr}");
}

#[test]
fn an_output_that_cannot_be_written_is_refused_before_python_starts() {
    let case = Case::new();
    fs::create_dir(case.at("folder")).unwrap();
    symlink("ring", case.at("ring")).unwrap();
    symlink("missing/a", case.at("dangling")).unwrap();
    let before = case.names();

    for (out, reason) in [
        ("folder", "cannot write `folder`: Is a directory"),
        (
            "ring",
            "cannot write `ring`: Too many levels of symbolic links",
        ),
        ("dangling", "missing` is not there"),
        ("missing/a", "the folder `missing` is not there"),
        (
            "data.jsonl/a",
            "cannot write `data.jsonl/a`: Not a directory",
        ),
        ("-", "`--out -` names no file"),
    ] {
        let output = case.judge("samples.jsonl", Path::new(out), false).output();
        ends_with(&output.unwrap(), 2, reason);
        assert_eq!(case.names(), before, "{out}");
    }
}

#[test]
fn an_output_replaces_no_input() {
    let case = Case::new();
    symlink("samples.jsonl", case.at("link")).unwrap();
    fs::copy(case.at("samples.jsonl"), case.at("x.partial")).unwrap();
    let inode = || fs::metadata(case.at("samples.jsonl")).unwrap().ino();
    let (before, samples) = (case.names(), inode());

    for (from, out, input) in [
        ("samples.jsonl", "samples.jsonl", "`--samples`"),
        ("link", "samples.jsonl", "`--samples`"),
        ("samples.jsonl", "link", "`--samples`"),
        ("samples.jsonl", "data.jsonl", "`--data`"),
        ("x.partial", "x", "`--samples`"),
    ] {
        let output = case.judge(from, Path::new(out), false).output().unwrap();
        ends_with(&output, 2, &format!("its own input: it is {input}"));
    }

    assert_eq!((case.names(), inode()), (before, samples));
    assert_eq!(fs::read_to_string(case.at("x.partial")).unwrap(), SAMPLE);
}

#[test]
fn a_pipe_without_a_reader_ends_the_command_and_one_with_a_reader_gets_the_result() {
    let case = Case::new();
    let pipe = case.at("pipe");
    mkfifoat(CWD, &pipe, Mode::from(0o600)).unwrap();
    let before = case.names();
    let begun = Instant::now();

    let output = case.judge("samples.jsonl", &pipe, true).output().unwrap();

    ends_with(&output, 2, "nobody reads this pipe");
    assert!(begun.elapsed() < Duration::from_mins(1));

    // What nothing reads spoils no line.
    let deep = "[".repeat(500) + &"]".repeat(500);
    let more = format!("{{\"h\": 1e400, \"n\": {deep}, ");
    fs::write(case.at("samples.jsonl"), SAMPLE.replacen('{', &more, 1)).unwrap();
    let child = case.judge("samples.jsonl", &pipe, true).spawn().unwrap();
    let text = fs::read_to_string(&pipe).unwrap();
    let output = child.wait_with_output().unwrap();
    ends_with(&output, 0, "");
    assert!(text.contains("\"passed\": true"), "{text}");
    assert_eq!(case.names(), before, "nothing stays next to the pipe");
}
