//! Results that cannot be written: no command may end as if its result were complete.

use std::{
    fs,
    io::Read as _,
    process::{Command, Stdio},
};

/// Commands that print a result without models, data or Python.
const PRINTING: [&[&str]; 8] = [
    &["explain", "train.lr.peak"],
    &["schema"],
    &["status"],
    &["check", "experiments/quickstart.toml"],
    &["plan", "experiments/quickstart.toml"],
    &["plan", "experiments/quickstart.toml", "--json"],
    &["fetch", "--help"],
    &["--version"],
];

fn recode(arguments: &[&str], folder: &std::path::Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_recode"));
    command
        .args(arguments)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .env("RECODE_RESULTS", folder.join("results"))
        .env("RECODE_CACHE", folder.join("cache"));
    command
}

#[test]
fn a_full_disk_under_stdout_is_an_error_with_its_reason() {
    let folder = tempfile::tempdir().expect("a folder");
    for arguments in PRINTING {
        let full = fs::File::options()
            .write(true)
            .open("/dev/full")
            .expect("Linux has it");
        let output = recode(arguments, folder.path())
            .stdout(full)
            .output()
            .expect("the program starts");

        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(74), "{arguments:?}: {stderr}");
        assert!(
            stderr.contains("cannot write the result to the standard output: No space left"),
            "{arguments:?}: {stderr}"
        );
    }
}

#[test]
fn a_closed_stdout_is_an_error_with_its_reason() {
    let folder = tempfile::tempdir().expect("a folder");
    for arguments in PRINTING {
        let program = env!("CARGO_BIN_EXE_recode");
        let mut shell = Command::new("sh");
        shell.args(["-c", "exec \"$@\" >&-", "sh", program]);
        let output = shell
            .args(arguments)
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .env("RECODE_RESULTS", folder.path().join("results"))
            .env("RECODE_CACHE", folder.path().join("cache"))
            .output()
            .expect("the shell starts");

        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(74), "{arguments:?}: {stderr}");
        let reason = "cannot write the result to the standard output: Bad file descriptor";
        assert!(stderr.contains(reason), "{arguments:?}: {stderr}");
    }
}

#[test]
fn a_stdout_that_goes_nowhere_is_no_error() {
    let folder = tempfile::tempdir().expect("a folder");
    for arguments in PRINTING {
        // As Python's `DEVNULL` and daemons open it.
        let null = fs::File::options().read(true).write(true).open("/dev/null");
        let output = recode(arguments, folder.path())
            .stdout(null.expect("every system has it"))
            .output()
            .expect("the program starts");

        assert_eq!(output.status.code(), Some(0), "{arguments:?}");
    }
}

#[test]
fn a_reader_that_has_read_enough_is_no_error() {
    let folder = tempfile::tempdir().expect("a folder");
    for arguments in PRINTING {
        let mut child = recode(arguments, folder.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program starts");
        drop(child.stdout.take());
        let mut stderr = String::new();
        child
            .stderr
            .take()
            .expect("a pipe")
            .read_to_string(&mut stderr)
            .expect("text");

        let status = child.wait().expect("it ends");
        assert_eq!(status.code(), Some(0), "{arguments:?}: {stderr}");
        assert!(!stderr.contains("error"), "{arguments:?}: {stderr}");
    }
}
