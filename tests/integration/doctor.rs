//! `recode doctor`, on this machine and on machines that lack a safeguard.

#![expect(clippy::unwrap_used, reason = "a test fails by a panic")]

use std::{
    fs,
    path::PathBuf,
    process::{Command, Output},
};

use recode::sandbox::{Interpreter, Pool, Program, PythonError, Settings, Verdict};
use serde_json::Value;

/// A Python for which the system refuses something: the start-up file of its virtual environment intercepts the
/// driver's calls of the C library.
struct RestrictedPython(tempfile::TempDir);

const INTERCEPTOR: &str = "
import ctypes, resource, sys

class Library:
    def __init__(self, real):
        self.real = real

    def __getattr__(self, name):
        function = getattr(self.real, name)

        def call(*arguments):
            if refuses(name, arguments):
                ctypes.set_errno(1)
                return -1
            return function(*arguments)

        return call

def between(real):
    return lambda *a, **k: Library(real(*a, **k))

ctypes.CDLL, ctypes.PyDLL = between(ctypes.CDLL), between(ctypes.PyDLL)
";

/// A safeguard, and the calls that a system without it refuses.
const MISSING: &[(&str, &str)] = &[
    (
        "user_namespace",
        "def refuses(name, a): return name == 'unshare' and a[0] & 0x10000000",
    ),
    (
        "namespaces",
        "def refuses(name, a): return name == 'unshare'",
    ),
    (
        "scratch",
        "def refuses(name, a): return name == 'mount' and a[2] == b'tmpfs'",
    ),
    (
        "files",
        "def refuses(name, a): return name == 'syscall' and a[0].value == 444",
    ),
    (
        "system_calls",
        "def refuses(name, a): return name == 'prctl' and a[0] == 22",
    ),
    (
        "limits",
        "def refuses(name, a): return False\nresource.setrlimit = lambda *a: None",
    ),
];

impl RestrictedPython {
    fn new(refuses: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let real = Interpreter::find(&Settings::default_interpreter()).unwrap();
        let home = real.path.canonicalize().unwrap();
        let (major, rest) = real.version.split_once('.').unwrap();
        let (minor, _) = rest.split_once('.').unwrap();
        let packages = format!("lib/python{major}.{minor}/site-packages");
        let packages = folder.path().join(packages);
        fs::create_dir_all(&packages).unwrap();
        fs::create_dir(folder.path().join("bin")).unwrap();
        let settings = format!("home = {}\n", home.parent().unwrap().display());
        fs::write(folder.path().join("pyvenv.cfg"), settings).unwrap();
        fs::write(
            packages.join("sitecustomize.py"),
            format!("{INTERCEPTOR}\n{refuses}\n"),
        )
        .unwrap();
        std::os::unix::fs::symlink(home, folder.path().join("bin/python3")).unwrap();
        Self(folder)
    }

    fn python(&self) -> PathBuf {
        self.0.path().join("bin/python3")
    }

    /// Adds a file to the folder of installed packages.
    fn install(&self, name: &str, text: &str) {
        let lib = fs::read_dir(self.0.path().join("lib")).unwrap();
        let python = lib.last().unwrap().unwrap().path();
        fs::write(python.join("site-packages").join(name), text).unwrap();
    }
}

fn doctor(python: &std::path::Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_recode"))
        .arg("doctor")
        .args(arguments)
        .env("RECODE_PYTHON", python)
        .output()
        .unwrap()
}

#[test]
fn each_missing_safeguard_is_named_and_nothing_is_judged_without_a_flag() {
    for (name, refuses) in MISSING {
        let restricted = RestrictedPython::new(refuses);
        let mut settings = Settings {
            interpreter: restricted.python(),
            workers: 1,
            ..Settings::default()
        };

        let refused = Pool::start(&settings);
        settings.is_unsandboxed_allowed = true;
        let pool = Pool::start(&settings).unwrap();
        let program = |source: &str| Program {
            source: source.to_owned(),
            timeout: std::time::Duration::from_secs(10),
            seed: 0,
        };

        let Err(PythonError::Unprotected { missing }) = refused else {
            panic!("{name}: {refused:?}");
        };
        assert!(
            missing.missing().any(|safeguard| safeguard.name == *name),
            "{name}: {missing}"
        );
        let pass = pool.run(&program("assert 1 + 1 == 2")).unwrap();
        let fail = pool.run(&program("assert 1 + 1 == 3")).unwrap();
        let write = pool.run(&program("open('file', 'w').write('x')")).unwrap();
        assert_eq!(write, Verdict::Pass, "{name}");
        assert_eq!(pass, Verdict::Pass, "{name}");
        assert_eq!(fail.name(), "assertion", "{name}");
    }
}

#[test]
fn programs_read_no_project_that_a_pth_file_adds() {
    let python = RestrictedPython::new("def refuses(name, a): return False");
    let project = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let folder = project.path().display();
    fs::write(project.path().join("secret.py"), "key = 1").unwrap();
    python.install("project.pth", &format!("{folder}\n"));
    python.install("installed.py", "key = 2");
    let pool = Pool::start(&Settings {
        interpreter: python.python(),
        workers: 1,
        ..Settings::default()
    })
    .unwrap();
    let run = |source: &str| {
        let program = Program {
            source: source.to_owned(),
            timeout: std::time::Duration::from_secs(10),
            seed: 0,
        };
        pool.run(&program).unwrap()
    };

    let read = run(&format!("print(open('{folder}/secret.py').read())"));
    let imported = run("import secret");
    let installed = run("import installed; assert installed.key == 2");
    let words = doctor(&python.python(), &[]).stdout;

    assert_eq!(
        read.to_string().split(':').next(),
        Some("PermissionError"),
        "{read}"
    );
    assert_eq!(
        imported.to_string(),
        "ModuleNotFoundError: No module named 'secret'"
    );
    assert_eq!(installed, Verdict::Pass);
    let words = String::from_utf8(words).unwrap();
    let expected = format!("programs cannot import from {folder}");
    assert!(words.contains(&expected), "{words}");
}

#[test]
fn a_missing_safeguard_is_reported_in_words_and_by_the_exit_code() {
    let restricted = RestrictedPython::new(MISSING[3].1);

    let words = doctor(&restricted.python(), &[]);
    let json = doctor(&restricted.python(), &["--json"]);

    assert_eq!(words.status.code(), Some(3));
    let text = String::from_utf8(words.stdout).unwrap();
    let reported: Vec<&str> = text
        .lines()
        .filter(|line| line.contains("NO   programs"))
        .collect();
    assert_eq!(
        reported,
        [
            "  files           NO   programs read nothing but Python itself (Landlock): syscall: \
          Operation not permitted"
        ]
    );
    assert!(text.contains("judging: no, `files` is off"), "{text}");
    let next = "\nnext: permit `files` on this machine, or judge on another\n";
    assert!(text.ends_with(next), "{text}");
    assert_eq!(json.status.code(), Some(3));
    let findings: Value = serde_json::from_slice(&json.stdout).unwrap();
    assert_eq!(findings["is_judging"], false);
}

#[test]
fn a_machine_with_all_safeguards_judges() {
    let python = Interpreter::find(&Settings::default_interpreter()).unwrap();

    let words = doctor(&python.path, &[]);
    let output = doctor(&python.path, &["--json"]);

    let text = String::from_utf8(words.stdout).unwrap();
    assert!(text.ends_with("\nnext: recode run quickstart\n"), "{text}");
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let findings: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(findings["is_judging"], true);
    assert_eq!(findings["python"]["interpreter"]["version"], python.version);
    assert_eq!(findings["backends"][0]["name"], "cpu");
}

#[test]
fn without_python_the_doctor_says_so() {
    let output = doctor(std::path::Path::new("/no/python"), &[]);

    assert_eq!(output.status.code(), Some(3));
    let text = String::from_utf8(output.stdout).unwrap();
    let end = "judging: no, cannot run Python as `/no/python`: No such file or directory (os error 2)\n\
               next: install Python 3.9 or later, or name one in RECODE_PYTHON\n";
    assert!(text.ends_with(end), "{text}");
}
