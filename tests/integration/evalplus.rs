//! `recode judge --from-results`.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::{
    fs,
    path::Path,
    process::{Command, Output},
};

const TASK: &str = r#"{"task_id": "T/0", "prompt": "def f(x):\n", "entry_point": "f", "test": "",
 "canonical_solution": "    return x\n", "contract": "", "base_input": [[1]], "plus_input": [[2]], "atol": 0.0}"#;

fn judge(data: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_recode"))
        .args(["judge", "--benchmark", "humaneval_plus", "--data"])
        .arg(data)
        .args(arguments)
        .output()
        .unwrap()
}

#[test]
fn a_result_file_of_evalplus_is_printed_and_nothing_is_run() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data.jsonl");
    fs::write(&data, TASK.replace('\n', " ")).unwrap();
    let results = folder.path().join("samples_eval_results.json");
    let one = |base: &str, plus: &str| {
        format!(
            r#"{{"task_id": "T/0", "solution": "", "base_status": "{base}", "plus_status": "{plus}",
                "base_fail_tests": [], "plus_fail_tests": []}}"#
        )
    };
    let entries = [one("pass", "pass"), one("pass", "fail")].join(",");
    fs::write(&results, format!(r#"{{"eval": {{"T/0": [{entries}]}}}}"#)).unwrap();

    let output = judge(&data, &["--from-results", results.to_str().unwrap()]);

    assert_eq!(String::from_utf8(output.stderr).unwrap(), "");
    assert_eq!(output.status.code(), Some(0));
    // By hand: one of two passes all inputs, both pass the base inputs.
    insta::assert_snapshot!(String::from_utf8(output.stdout).unwrap(), @r"
    humaneval_plus: 2 samples of 1 of 1 tasks
      pass@1           50.00 %
      pass@2          100.00 %
      base pass@1     100.00 %
      base pass@2     100.00 %
      assertion            1
      pass                 1
    ");
}

#[test]
fn without_a_result_file_samples_and_an_output_file_are_needed() {
    let output = judge(Path::new("data.jsonl"), &[]);

    assert_eq!(output.status.code(), Some(2));
    let errors = String::from_utf8(output.stderr).unwrap();
    assert!(errors.contains("--samples <SAMPLES>"), "{errors}");
    assert!(errors.contains("--out <OUT>"), "{errors}");
}
