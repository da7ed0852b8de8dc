//! The result file of EvalPlus, so that people can go back and forth.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::{Judgement, Sample, Tally, benchmark::Benchmark};

/// The file that EvalPlus writes for judged samples; none is a sample that could not be judged.
///
/// `base_fail_tests` and `plus_fail_tests` hold the first input that failed, as EvalPlus does
/// unless it is told to try all of them.
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

/// EvalPlus has three: a program that dies tells nothing, and so counts as timed out.
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

/// The samples in such a file, each as the task's name and its solution.
pub(super) fn samples_of_results(file: &Map<String, Value>) -> Option<Vec<(String, String)>> {
    let eval = file.get("eval")?.as_object()?;
    let mut samples = Vec::new();
    for (task, results) in eval {
        for result in results.as_array()? {
            samples.push((task.clone(), result.get("solution")?.as_str()?.to_owned()));
        }
    }
    Some(samples)
}
