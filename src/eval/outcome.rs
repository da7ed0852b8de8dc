//! The outcome of an evaluation, which its samples determine.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{
    SampleRecord, Tally,
    benchmark::{self, Benchmark},
    judgement::UNJUDGED,
};
use crate::digest::Digest;

/// The name of the verdict of a program that ran into its time limit.
const TIMEOUT: &str = "timeout";

/// One timeout among so many samples is worth no warning.
const USUAL_TIMEOUTS: usize = 10;

/// The result of an evaluation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EvalOutcome {
    /// The benchmark.
    pub benchmark: String,
    /// The tasks, in the benchmark's order.
    pub tasks: Vec<TaskOutcome>,
    /// Rates in 0..=1 by name, such as `pass@1`.
    pub metrics: BTreeMap<String, f64>,
    /// The number of samples with each verdict, by the verdict's name, and [`UNJUDGED`] ones.
    pub counts: BTreeMap<String, u64>,
    /// A digest of the samples and their verdicts.
    pub samples_digest: Digest,
    /// What makes the figures doubtful, in words; the same in every run of the job.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
}

/// The result of one task of a benchmark.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskOutcome {
    /// The name of the task within the benchmark.
    pub task_id: String,
    /// A name shared by tasks with the same origin, such as the update of an API.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// The category of the task, such as the type of an update.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// Whether each sample passed, in the order of sampling.
    pub passed: Vec<bool>,
    /// The name of each sample's verdict.
    pub verdicts: Vec<String>,
    /// Whether each sample has other measures of the benchmark, by their names.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub measures: BTreeMap<String, Vec<bool>>,
}

impl EvalOutcome {
    /// The outcome of these samples, which are in the order of the benchmark's tasks.
    pub fn of_samples(benchmark: &dyn Benchmark, samples: &[SampleRecord]) -> Self {
        let places: BTreeMap<&str, usize> = benchmark
            .tasks()
            .iter()
            .map(|task| task.id.as_str())
            .zip(0..)
            .collect();
        let judged: Vec<_> = samples
            .iter()
            .filter_map(|sample| {
                let place = *places.get(sample.task_id.as_str())?;
                Some((place, sample.judgement.as_ref()))
            })
            .collect();
        let tally = Tally::new(benchmark.tasks().len(), &judged);
        let timeouts = samples
            .iter()
            .filter(|sample| sample.verdict() == TIMEOUT)
            .count();
        Self {
            benchmark: benchmark.name().to_owned(),
            tasks: tasks(benchmark, &places, samples),
            counts: counts(&tally, samples),
            metrics: metrics(tally),
            samples_digest: digest(samples),
            warnings: timeout_warning(timeouts, samples.len())
                .into_iter()
                .collect(),
        }
    }

    /// Whether it was made of these samples, which are in the order of a log.
    pub fn is_of(&self, mut samples: Vec<SampleRecord>) -> bool {
        // The completions of a remote model are logged as they come.
        samples.sort_by_key(|sample| sample.chunk);
        digest(&samples) == self.samples_digest
    }
}

/// A warning if so many samples ran into the time limit that it may be too short here. A few loops without
/// an end are a model's mistakes.
fn timeout_warning(timeouts: usize, samples: usize) -> Option<String> {
    let is_usual = timeouts * USUAL_TIMEOUTS < samples || timeouts == 0;
    (!is_usual)
        .then(|| format!("the tests of {timeouts} of {samples} samples ran into the time limit"))
}

fn tasks(
    benchmark: &dyn Benchmark,
    places: &BTreeMap<&str, usize>,
    samples: &[SampleRecord],
) -> Vec<TaskOutcome> {
    let measures = benchmark::find(benchmark.name()).map_or(&[][..], |known| known.measures);
    let mut tasks: Vec<TaskOutcome> = Vec::new();
    for sample in samples {
        let last = tasks.last();
        if last.is_none_or(|task| task.task_id != sample.task_id) {
            let place = places.get(sample.task_id.as_str());
            let task = place.and_then(|place| benchmark.tasks().get(*place));
            tasks.push(TaskOutcome {
                task_id: sample.task_id.clone(),
                group: task.and_then(|task| task.group.clone()),
                kind: task.and_then(|task| task.kind.clone()),
                passed: Vec::new(),
                verdicts: Vec::new(),
                measures: BTreeMap::new(),
            });
        }
        if let Some(task) = tasks.last_mut() {
            task.passed.push(sample.has_passed());
            task.verdicts.push(sample.verdict().to_owned());
            for name in measures {
                let values = task.measures.entry((*name).to_owned()).or_default();
                values.push(sample.has(name));
            }
        }
    }
    tasks
}

/// The rates of a tally by name: `pass@1`, and `upass.pass@1` for the benchmark's other measures.
fn metrics(tally: Tally) -> BTreeMap<String, f64> {
    let mut metrics = tally.pass_at_k;
    for (measure, rates) in tally.measures {
        metrics.extend(
            rates
                .into_iter()
                .map(|(k, rate)| (format!("{measure}.{k}"), rate)),
        );
    }
    metrics
}

fn counts(tally: &Tally, samples: &[SampleRecord]) -> BTreeMap<String, u64> {
    let mut counts: BTreeMap<String, u64> = tally
        .verdicts
        .iter()
        .map(|(name, count)| (name.clone(), *count as u64))
        .collect();
    let truncated = samples.iter().filter(|sample| sample.is_truncated).count();
    let others = [
        ("samples", samples.len()),
        (UNJUDGED, tally.failures),
        ("truncated", truncated),
    ];
    counts.extend(others.map(|(name, count)| (name.to_owned(), count as u64)));
    counts
}

/// A digest of the completions and their verdicts.
///
/// The message of an exception is left out, because it may contain a memory address.
fn digest(samples: &[SampleRecord]) -> Digest {
    let lines: Vec<_> = samples
        .iter()
        .map(|sample| {
            json!([
                sample.task_id,
                sample.index,
                sample.completion,
                sample.verdict()
            ])
        })
        .collect();
    Digest::of_json(&lines)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_timeouts_are_worth_a_warning_and_a_few_are_not() {
        assert_eq!(timeout_warning(0, 0), None);
        assert_eq!(timeout_warning(9, 100), None);
        assert_eq!(
            timeout_warning(10, 100).as_deref(),
            Some("the tests of 10 of 100 samples ran into the time limit")
        );
    }
}
