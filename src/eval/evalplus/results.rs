//! The result file of EvalPlus, which we write and read.

use std::{collections::BTreeMap, path::Path};

use serde_json::{Value, json};

use super::Sample;
use crate::{
    data::read_json_value,
    eval::{EvalError, Judgement, Tally, benchmark::Benchmark},
    sandbox::Verdict,
};

/// The result file of EvalPlus for judged samples; a sample that could not be judged has no judgement.
/// `made` is the file's date and the hash of the benchmark's file.
///
/// `base_fail_tests` and `plus_fail_tests` hold the first input that failed, as in EvalPlus without its
/// option to run all inputs.
pub fn evalplus_results(
    benchmark: &dyn Benchmark,
    judged: &[(&Sample, Option<&Judgement>)],
    tally: &Tally,
    made: (&str, &str),
) -> Value {
    let mut eval: BTreeMap<&str, Vec<Value>> = BTreeMap::new();
    for (sample, judgement) in judged {
        if let Some(task) = benchmark.tasks().get(sample.task) {
            eval.entry(&task.id).or_default().push(json!({
                "task_id": task.id,
                "solution": sample.solution,
                "base_status": status(*judgement, "base"),
                "plus_status": status(*judgement, "plus"),
                "base_fail_tests": failed_inputs(benchmark, sample, *judgement, "base"),
                "plus_fail_tests": failed_inputs(benchmark, sample, *judgement, "plus"),
            }));
        }
    }
    let (date, hash) = made;
    let none = BTreeMap::new();
    let base = tally.measures.get("base").unwrap_or(&none);
    json!({
        "date": date,
        "hash": hash,
        "eval": eval,
        "pass_at_k": { "base": base, "plus": tally.pass_at_k },
    })
}

/// EvalPlus has three statuses: a program that dies reports nothing, and so counts as timed out.
fn status(judgement: Option<&Judgement>, run: &str) -> &'static str {
    match judgement
        .and_then(|judgement| judgement.tests.get(run))
        .map(String::as_str)
    {
        Some("P") => "pass",
        Some("T" | "D") => "timeout",
        _ => "fail",
    }
}

fn failed_inputs(
    benchmark: &dyn Benchmark,
    sample: &Sample,
    judgement: Option<&Judgement>,
    run: &str,
) -> Vec<Value> {
    let input = || {
        let position = *judgement?.failed_inputs.get(run)?;
        let text = benchmark.input(benchmark.tasks().get(sample.task)?, run, position)?;
        serde_json::from_str(&text).ok()
    };
    input().into_iter().collect()
}

/// The samples and verdicts in a result file of EvalPlus; no program is run.
///
/// EvalPlus records no reason: a status other than pass and timeout counts as a failed assertion.
pub fn read_evalplus_results(
    path: &Path,
    benchmark: &dyn Benchmark,
) -> Result<Vec<(Sample, Judgement)>, EvalError> {
    let bad = |reason: &str| EvalError::Tasks {
        path: path.to_path_buf(),
        reasons: vec![reason.to_owned()],
    };
    let file = read_json_value(path).map_err(EvalError::Samples)?;
    let tasks = file.get("eval").and_then(Value::as_object);
    let tasks =
        tasks.ok_or_else(|| bad("no object `eval`: this is not a result file of EvalPlus"))?;
    let mut judged = Vec::new();
    for (id, results) in tasks {
        let task = benchmark.tasks().iter().position(|task| task.id == *id);
        let task = task.ok_or_else(|| bad(&format!("unknown task `{id}`")))?;
        for result in results.as_array().into_iter().flatten() {
            let text = |key: &str| result.get(key).and_then(Value::as_str);
            let (Some(base), Some(plus)) = (text("base_status"), text("plus_status")) else {
                return Err(bad(&format!(
                    "no `base_status` and `plus_status` in `{id}`"
                )));
            };
            let solution = text("solution").unwrap_or_default().to_owned();
            let sample = Sample {
                task,
                solution,
                is_truncated: None,
            };
            judged.push((sample, judgement(base, plus)));
        }
    }
    Ok(judged)
}

fn judgement(base: &str, plus: &str) -> Judgement {
    let verdict = |status: &str| match status {
        "pass" => Verdict::Pass,
        "timeout" => Verdict::Timeout,
        _ => Verdict::Assertion {
            exception: "AssertionError".to_owned(),
            message: String::new(),
        },
    };
    let mut judgement = Judgement::of_tests("both", &[verdict(base), verdict(plus)]);
    judgement.tests = [("base", base), ("plus", plus)]
        .map(|(part, status)| (part.to_owned(), verdict(status).letter().to_string()))
        .into();
    judgement.measures = BTreeMap::from([("base".to_owned(), base == "pass")]);
    judgement
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::eval::benchmark::{Options, find};

    #[test]
    fn what_is_written_reads_back_to_the_same_rates() {
        let row = json!({
            "task_id": "T/0", "prompt": "def f(x):\n", "entry_point": "f", "test": "",
            "canonical_solution": "    return x\n", "contract": "",
            "base_input": [[1]], "plus_input": [[2]], "atol": 0.0,
        });
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("data.jsonl");
        fs::write(&data, row.to_string()).unwrap();
        let benchmark = find("humaneval_plus")
            .unwrap()
            .open(&data, &Options::default())
            .unwrap();
        let statuses = [
            ("pass", "pass"),
            ("pass", "fail"),
            ("timeout", "timeout"),
            ("pass", "pass"),
        ];
        let samples: Vec<Sample> = ["a", "b", "c", "d"]
            .map(|solution| Sample {
                task: 0,
                solution: solution.to_owned(),
                is_truncated: None,
            })
            .into();
        let judgements = statuses.map(|(base, plus)| judgement(base, plus));
        let judged: Vec<_> = samples.iter().zip(judgements.iter().map(Some)).collect();
        let pairs: Vec<_> = judgements
            .iter()
            .map(|judgement| (0, Some(judgement)))
            .collect();
        let tally = Tally::new(1, &pairs);

        let file = evalplus_results(&*benchmark, &judged, &tally, ("2026-01-01 00:00", "hash"));
        let path = folder.path().join("x_eval_results.json");
        fs::write(&path, file.to_string()).unwrap();
        let read = read_evalplus_results(&path, &*benchmark).unwrap();

        let results = file["eval"]["T/0"].as_array().unwrap();
        for (result, (base, plus)) in results.iter().zip(statuses) {
            assert_eq!(
                (&result["base_status"], &result["plus_status"]),
                (&json!(base), &json!(plus))
            );
        }
        let pairs: Vec<_> = read
            .iter()
            .map(|(_, judgement)| (0, Some(judgement)))
            .collect();
        assert_eq!(Tally::new(1, &pairs), tally);
        let solutions: Vec<&str> = read
            .iter()
            .map(|(sample, _)| sample.solution.as_str())
            .collect();
        assert_eq!(solutions, ["a", "b", "c", "d"]);
        // By hand: 2 of 4 pass both, 3 of 4 the base inputs.
        assert_eq!(
            (tally.pass_at_k["pass@1"], tally.measures["base"]["pass@1"]),
            (0.5, 0.75)
        );
    }

    #[test]
    fn a_file_of_another_format_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("other.json");
        fs::write(&path, "{}").unwrap();
        let arena = folder.path().join("data.jsonl");
        fs::write(&arena, r#"{"task_id": "T/0", "prompt": "", "entry_point": "f", "test": "", "canonical_solution": ""}"#).unwrap();
        let benchmark = find("humaneval")
            .unwrap()
            .open(&arena, &Options::default())
            .unwrap();

        let error = read_evalplus_results(&path, &*benchmark)
            .unwrap_err()
            .to_string();

        assert!(
            error.ends_with("no object `eval`: this is not a result file of EvalPlus"),
            "{error}"
        );
    }
}
