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
        let tally = tally(benchmark.tasks().len(), &places, samples);
        let timeouts = samples
            .iter()
            .filter(|sample| sample.verdict() == TIMEOUT)
            .count();
        let mut tasks = tasks(benchmark.name(), samples);
        for task in &mut tasks {
            let place = places.get(task.task_id.as_str());
            if let Some(known) = place.and_then(|place| benchmark.tasks().get(*place)) {
                task.group.clone_from(&known.group);
                task.kind.clone_from(&known.kind);
            }
        }
        Self {
            benchmark: benchmark.name().to_owned(),
            tasks,
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
        samples.sort_by_key(in_order);
        digest(&samples) == self.samples_digest
    }

    /// What of it does not follow from these samples, which are in the order of a log; nothing if all of it does.
    ///
    /// The groups and kinds of the tasks are those of the benchmark's files, which are not read here.
    pub fn contradiction(&self, mut samples: Vec<SampleRecord>) -> Option<String> {
        samples.sort_by_key(in_order);
        if digest(&samples) != self.samples_digest {
            let what = "`samples.jsonl` has other samples than the outcome was made of";
            return Some(what.to_owned());
        }
        if let Some(sample) = samples.iter().find(|sample| !sample.is_consistent()) {
            return Some(format!(
                "sample {} of `{}` has the verdict `{}`, and is {}",
                sample.index,
                sample.task_id,
                sample.verdict(),
                if sample.has_passed() {
                    "counted as passed"
                } else {
                    "not counted as passed"
                }
            ));
        }
        let again = tasks(&self.benchmark, &samples);
        if again.len() != self.tasks.len() {
            return Some(format!(
                "the outcome has {} tasks, and its samples are of {}",
                self.tasks.len(),
                again.len()
            ));
        }
        let mut pairs = self.tasks.iter().zip(&again);
        if let Some((task, _)) = pairs.find(|(task, again)| !task.has_results_of(again)) {
            return Some(format!(
                "the results of the task `{}` do not follow from its samples",
                task.task_id
            ));
        }
        let places: BTreeMap<&str, usize> = again
            .iter()
            .map(|task| task.task_id.as_str())
            .zip(0..)
            .collect();
        let tally = tally(again.len(), &places, &samples);
        if counts(&tally, &samples) != self.counts {
            return Some("its counts do not follow from its samples".to_owned());
        }
        let metrics = metrics(tally);
        let is_other = |name: &&String| metrics.get(*name) != self.metrics.get(*name);
        let mut names = metrics.keys().chain(self.metrics.keys());
        let name = names.find(is_other)?;
        Some(format!("its `{name}` does not follow from its samples"))
    }
}

impl TaskOutcome {
    /// Whether another outcome of the task has the same results, whatever its group and kind.
    fn has_results_of(&self, other: &Self) -> bool {
        let Self {
            task_id,
            group: _,
            kind: _,
            passed,
            verdicts,
            measures,
        } = self;
        (task_id, passed, verdicts, measures)
            == (
                &other.task_id,
                &other.passed,
                &other.verdicts,
                &other.measures,
            )
    }
}

/// The place of a sample in the order of the tasks: the completions of a remote model are logged as they come.
fn in_order(sample: &SampleRecord) -> usize {
    sample.chunk
}

/// Counts the samples whose tasks have these places among so many.
fn tally(tasks: usize, places: &BTreeMap<&str, usize>, samples: &[SampleRecord]) -> Tally {
    let judged: Vec<_> = samples
        .iter()
        .filter_map(|sample| {
            let place = *places.get(sample.task_id.as_str())?;
            Some((place, sample.judgement.as_ref()))
        })
        .collect();
    Tally::new(tasks, &judged)
}

/// A warning if so many samples ran into the time limit that it may be too short here. A few loops without
/// an end are a model's mistakes.
fn timeout_warning(timeouts: usize, samples: usize) -> Option<String> {
    let is_usual = timeouts * USUAL_TIMEOUTS < samples || timeouts == 0;
    (!is_usual)
        .then(|| format!("the tests of {timeouts} of {samples} samples ran into the time limit"))
}

/// The tasks of samples, without what only the benchmark's files say of them.
fn tasks(benchmark: &str, samples: &[SampleRecord]) -> Vec<TaskOutcome> {
    let measures = benchmark::find(benchmark).map_or(&[][..], |known| known.measures);
    let mut tasks: Vec<TaskOutcome> = Vec::new();
    for sample in samples {
        let last = tasks.last();
        if last.is_none_or(|task| task.task_id != sample.task_id) {
            tasks.push(TaskOutcome {
                task_id: sample.task_id.clone(),
                group: None,
                kind: None,
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
    use crate::{eval::Judgement, sandbox::Verdict};

    type Change = fn(&mut EvalOutcome);

    fn samples() -> Vec<SampleRecord> {
        let pass = Judgement::of_tests("tests", &[Verdict::Pass]);
        let late = Judgement::of_tests("tests", &[Verdict::Timeout]);
        let judgements = [&pass, &late, &pass, &pass];
        let sample = |(place, judgement): (usize, &&Judgement)| SampleRecord {
            chunk: place,
            task_id: format!("arena/{}", place / 2),
            index: place % 2,
            completion: format!("text {place}"),
            tokens: 1,
            prompt_tokens: None,
            is_truncated: place == 3,
            judgement: Some((*judgement).clone()),
            error: None,
        };
        judgements.iter().enumerate().map(sample).collect()
    }

    /// By hand: one of two samples of the first task passed, both of the second.
    fn outcome() -> EvalOutcome {
        let task = |name: &str, passed: [bool; 2]| TaskOutcome {
            task_id: name.to_owned(),
            group: Some("of the benchmark".to_owned()),
            kind: None,
            passed: passed.to_vec(),
            verdicts: passed
                .map(|passed| if passed { "pass" } else { "timeout" }.to_owned())
                .to_vec(),
            measures: BTreeMap::new(),
        };
        let counts = [
            ("pass", 3),
            ("timeout", 1),
            ("samples", 4),
            ("unjudged", 0),
            ("truncated", 1),
        ];
        let metrics = [("pass@1", 0.75), ("pass@2", 1.0)];
        EvalOutcome {
            benchmark: "mini_arena".to_owned(),
            tasks: vec![
                task("arena/0", [true, false]),
                task("arena/1", [true, true]),
            ],
            metrics: metrics
                .map(|(name, rate)| (name.to_owned(), rate))
                .into_iter()
                .collect(),
            counts: counts
                .map(|(name, count)| (name.to_owned(), count))
                .into_iter()
                .collect(),
            samples_digest: digest(&samples()),
            warnings: Vec::new(),
        }
    }

    #[test]
    fn what_does_not_follow_from_the_samples_is_named() {
        assert_eq!(outcome().contradiction(samples()), None);
        // As the completions of a remote model are logged.
        let mut as_they_came = samples();
        as_they_came.reverse();
        assert_eq!(outcome().contradiction(as_they_came), None);

        let changes: [(Change, &str); 8] = [
            (|of| of.tasks[0].passed[1] = true, "the task `arena/0`"),
            (
                |of| of.tasks[1].verdicts[0] = "timeout".to_owned(),
                "the task `arena/1`",
            ),
            (
                |of| of.tasks[1].task_id = "arena/2".to_owned(),
                "the task `arena/2`",
            ),
            (
                |of| {
                    let _ = of.tasks.pop();
                },
                "1 tasks, and its samples are of 2",
            ),
            (
                |of| {
                    let _ = of.counts.insert("pass".to_owned(), 4);
                },
                "its counts",
            ),
            (
                |of| {
                    let _ = of.metrics.insert("pass@1".to_owned(), 0.875);
                },
                "its `pass@1`",
            ),
            (
                |of| {
                    let _ = of.metrics.insert("pass@3".to_owned(), 1.0);
                },
                "its `pass@3`",
            ),
            (
                |of| {
                    let _ = of.metrics.remove("pass@2");
                },
                "its `pass@2`",
            ),
        ];
        for (change, words) in changes {
            let mut changed = outcome();
            change(&mut changed);
            let found = changed.contradiction(samples()).unwrap_or_default();
            assert!(found.contains(words), "no {words}: {found}");
        }
    }

    #[test]
    fn a_sample_that_counts_as_passed_without_a_pass_is_named() {
        let mut changed = samples();
        // The verdict stays, so that the digest does.
        changed[1].judgement.as_mut().unwrap().passed = true;
        let mut outcome = outcome();
        outcome.tasks[0].passed[1] = true;
        outcome.metrics.insert("pass@1".to_owned(), 1.0);

        assert_eq!(
            outcome.contradiction(changed).unwrap(),
            "sample 1 of `arena/0` has the verdict `timeout`, and is counted as passed"
        );
    }

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
