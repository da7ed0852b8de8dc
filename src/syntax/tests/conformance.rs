//! The syntax check against CPython, on texts that `tests/fixtures/syntax_cases.py` makes.

use std::{
    env,
    io::{BufRead as _, BufReader},
    process::{Command, Stdio},
};

use crate::syntax::{Grammar, check_syntax};

#[derive(serde::Deserialize)]
struct Case {
    source: String,
    /// Nothing where CPython raises `RecursionError` or `MemoryError`.
    parses: Option<bool>,
}

/// Compares with the `python3` of this machine, or the one that `RECODE_PYTHON` names.
#[test]
#[ignore = "needs Python 3.11 to 3.13: just conformance"]
fn conformance_of_the_syntax_check_with_cpython() {
    let setting = |name, default: &str| env::var(name).unwrap_or_else(|_| default.to_owned());
    let python = setting("RECODE_PYTHON", "python3");
    let version = ["-c", "import sys; print(sys.version_info >= (3, 12))"];
    let is_new = Command::new(&python).args(version).output().unwrap().stdout == b"True\n";
    let grammar = if is_new {
        Grammar::Python313
    } else {
        Grammar::Python311
    };
    let mut child = Command::new(&python)
        .arg(concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/tests/fixtures/syntax_cases.py"
        ))
        .args([
            setting("RECODE_SEED", "1"),
            setting("RECODE_CASES", "10000"),
        ])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut wrong = Vec::new();
    let mut count = 0;
    for line in BufReader::new(child.stdout.take().unwrap()).lines() {
        let Ok(case) = serde_json::from_str::<Case>(&line.unwrap()) else {
            continue;
        };
        count += 1;
        let ours = check_syntax(&case.source, grammar);
        if ours.is_ok() != case.parses.unwrap_or(false) {
            let source: String = case.source.chars().take(400).collect();
            wrong.push(format!(
                "CPython {:?}, ours {ours:?}: {source:?}",
                case.parses
            ));
        }
    }
    child.wait().unwrap();
    assert!(
        count > 10_000 && wrong.is_empty(),
        "{} of {count}\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}
