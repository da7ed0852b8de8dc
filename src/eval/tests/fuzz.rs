//! Files of samples, results and verdicts that nobody wrote.

use std::fs;

use serde_json::json;

use crate::{
    digest::Digest,
    disk::JsonLines,
    eval::{
        Judgement, SampleRecord, VerdictLog,
        benchmark::{Benchmark, Options, find},
        read_evalplus_results, read_samples,
    },
    fuzz::{fuzz, law, named},
};

fn benchmark() -> Box<dyn Benchmark> {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data.jsonl");
    let row = json!({
        "task_id": "T/0", "prompt": "def f(x):\n", "entry_point": "f", "test": "",
        "canonical_solution": "    return x\n", "contract": "",
        "base_input": [[1]], "plus_input": [[2]], "atol": 0.0,
    });
    fs::write(&data, row.to_string()).unwrap();
    let descriptor = find("humaneval_plus").unwrap();
    descriptor.open(&data, &Options::default()).unwrap()
}

const SAMPLES: [&str; 2] = [
    r#"{"task_id": "T/0", "solution": "def f(x): return x", "_identifier": "T/0 (sample 0)"}
{"task_id": "T/0", "completion": "    return \ud83d", "score": NaN, "finish_reason": "length"}
{"task_id": "T/0", "solution": null, "completion": "x", "is_truncated": true}
"#,
    r#"{"date": "2026-01-01 00:00", "hash": "h", "eval": {"T/0": [{"task_id": "T/0", "solution": "s", "base_status": "pass", "plus_status": "fail", "base_fail_tests": [], "plus_fail_tests": [[1]]}, {"task_id": "T/0", "solution": "t", "base_status": "timeout", "plus_status": "timeout"}]}, "pass_at_k": {"base": {"pass@1": 0.5}}}"#,
];

#[test]
fn samples_and_results_are_read_or_refused() {
    let benchmark = benchmark();
    fuzz(1, &SAMPLES, |case| {
        let path = case.file("samples.jsonl");
        if let Some((samples, _)) = named(read_samples(&path, &*benchmark), &path)? {
            let tasks = benchmark.tasks().len();
            let is_known = samples.iter().all(|sample| sample.task < tasks);
            law(is_known, "a sample is of a task")?;
        }
        let judged = named(read_evalplus_results(&path, &*benchmark), &path)?;
        let is_fair = |judgement: &Judgement| judgement.passed == judgement.verdict.is_pass();
        law(
            judged
                .iter()
                .flatten()
                .all(|(_, judgement)| is_fair(judgement)),
            "what has passed has the verdict of a pass",
        )
    });
}

/// Lines of `samples.jsonl` as evaluations write them.
const RECORDS: &str = r#"{"step":0,"task_id":"T/0","index":0,"completion":"x","tokens":3,"is_truncated":false,"judgement":{"passed":true,"verdict":{"verdict":"pass"},"measures":{"base":true},"tests":{"base":"P","plus":"PP"}}}
{"step":0,"task_id":"T/0","index":1,"completion":"y\n","tokens":4,"prompt_tokens":9,"is_truncated":true,"judgement":{"passed":false,"verdict":{"verdict":"assertion","exception":"AssertionError","message":""},"failed_inputs":{"plus":7}}}
{"step":1,"task_id":"T/0","index":2,"completion":"z","tokens":4,"is_truncated":false,"judgement":null,"error":"cannot judge"}
"#;

#[test]
fn records_of_samples_are_read_or_refused() {
    fuzz(1, &[RECORDS], |case| {
        let path = case.file("samples.jsonl");
        let whole: Vec<SampleRecord> =
            JsonLines::read_whole_part(&path).map_err(|error| error.to_string())?;
        if let Some(all) = named(JsonLines::read::<SampleRecord>(&path), &path)? {
            law(all == whole, "a log that is read has no gap")?;
        }
        let text: String = whole
            .iter()
            .map(|sample| json!(sample).to_string() + "\n")
            .collect();
        fs::write(&path, text).unwrap();
        let again: Vec<SampleRecord> = JsonLines::read(&path).map_err(|error| error.to_string())?;
        law(again == whole, "records are read as they were written")
    });
}

#[test]
fn logs_of_verdicts_are_read_or_begun_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log");
    let mut log = VerdictLog::open(&path).unwrap();
    let keys = [Digest::of_bytes(b"1"), Digest::of_bytes(b"2")];
    for key in &keys {
        log.add(key.clone(), Judgement::of_no_code()).unwrap();
    }
    let corpus = [fs::read(&path).unwrap()];
    fuzz(2, &corpus, |case| {
        let path = case.file("log");
        named(VerdictLog::open(&path), &path)?;
        let mut log = VerdictLog::open(&path).map_err(|error| error.to_string())?;
        log.add(keys[0].clone(), Judgement::of_no_code())
            .map_err(|error| error.to_string())?;
        let log = VerdictLog::open(&path).map_err(|error| error.to_string())?;
        law(
            log.find(&keys[0]) == Some(&Judgement::of_no_code()),
            "a verdict that is added to a damaged log is found again",
        )
    });
}
