//! Two rows against each other, task by task, outside of a table.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use crate::{eval::EvalOutcome, plan::JobId, spec::Column};

use super::{
    compare::{LEVEL, change, estimate_of, problems},
    paper::Subject,
    sheet::{Found, Run, SheetRow},
};

/// A measure of two rows.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Paired {
    /// Its name, as `pass@5`.
    pub metric: String,
    /// The mean of the first row over its tasks.
    pub first: f64,
    /// The mean of the second row over its tasks.
    pub second: f64,
    /// The mean of the second less the first, over the tasks that both have.
    pub difference: f64,
    /// Half of the 95 % interval of the difference; nothing if it is the same for all tasks.
    pub half_width: Option<f64>,
    /// The ends of the interval, where the symmetric one would leave -1..=1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub interval: Option<[f64; 2]>,
    /// Whether the interval leaves out 0.
    pub is_distinguishable: bool,
    /// How many tasks both rows have.
    pub tasks: usize,
}

/// A task that one row solves more often than the other.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Parted {
    /// The task.
    pub task: String,
    /// How many samples of the first row passed, and of how many.
    pub first: [usize; 2],
    /// How many samples of the second row passed, and of how many.
    pub second: [usize; 2],
}

/// The measures that two rows have in common, from their outcomes on a benchmark, one a seed.
pub fn paired(first: &[EvalOutcome], second: &[EvalOutcome]) -> Vec<Paired> {
    let Some(benchmark) = first.first().map(|outcome| outcome.benchmark.clone()) else {
        return Vec::new();
    };
    let rows = [first, second].map(|outcomes| row(&benchmark, outcomes));
    let of = |k: usize| {
        let column = Column {
            benchmark: benchmark.clone(),
            measure: None,
            pass_at: k,
        };
        let [ours, theirs] = [&rows[0], &rows[1]].map(|row| problems(row, &column));
        let change = change(&rows[1], &rows[0], &column)?;
        Some(Paired {
            metric: column.metric(),
            first: estimate_of(&ours)?.mean,
            second: estimate_of(&theirs)?.mean,
            difference: change.mean,
            half_width: change.half_width,
            interval: change.interval,
            // One comparison alone, which needs no correction for others.
            is_distinguishable: change
                .p_value
                .map_or(change.is_distinguishable, |p_value| p_value < LEVEL),
            tasks: ours
                .keys()
                .filter(|task| theirs.contains_key(*task))
                .count(),
        })
    };
    common(first.iter().chain(second))
        .into_iter()
        .filter_map(of)
        .collect()
}

/// The tasks that two rows do not solve equally often, those that part the most first.
pub fn parted(first: &[EvalOutcome], second: &[EvalOutcome]) -> Vec<Parted> {
    let [ours, theirs] = [first, second].map(passed);
    let mut parted: Vec<(f64, Parted)> = Vec::new();
    for (task, first) in ours {
        let Some(second) = theirs.get(&task).copied() else {
            continue;
        };
        let share = |[passed, of]: [usize; 2]| passed as f64 / of.max(1) as f64;
        let distance = (share(second) - share(first)).abs();
        if distance > 0.0 {
            parted.push((
                distance,
                Parted {
                    task,
                    first,
                    second,
                },
            ));
        }
    }
    // The sort is stable: equal distances stay in the order of the names.
    parted.sort_by(|one, other| other.0.total_cmp(&one.0));
    parted.into_iter().map(|(_, parted)| parted).collect()
}

/// How many samples of each task passed, of all seeds.
fn passed(outcomes: &[EvalOutcome]) -> BTreeMap<String, [usize; 2]> {
    let mut counts: BTreeMap<String, [usize; 2]> = BTreeMap::new();
    for task in outcomes.iter().flat_map(|outcome| &outcome.tasks) {
        let [passed, of] = counts.entry(task.task_id.clone()).or_default();
        *passed += task.passed.iter().filter(|passed| **passed).count();
        *of += task.passed.len();
    }
    counts
}

/// The `k` of every pass@k that all outcomes have.
fn common<'a>(outcomes: impl Iterator<Item = &'a EvalOutcome>) -> BTreeSet<usize> {
    let of = |outcome: &EvalOutcome| -> BTreeSet<usize> {
        let names = outcome.metrics.keys();
        let number = |name: &String| name.strip_prefix("pass@")?.parse().ok();
        names.filter_map(number).collect()
    };
    let all = outcomes.map(of).reduce(|one, other| &one & &other);
    all.unwrap_or_default()
}

fn row(benchmark: &str, outcomes: &[EvalOutcome]) -> SheetRow {
    let runs = outcomes.iter().zip(0..).map(|(outcome, seed)| Run {
        job: JobId(String::new()),
        seed,
        found: Found::Done(outcome.clone()),
        warnings: Vec::new(),
    });
    SheetRow {
        labels: Vec::new(),
        subject: Subject {
            model: String::new(),
            method: String::new(),
            reward: None,
        },
        is_baseline: false,
        baseline: None,
        target_log_probs: BTreeMap::new(),
        runs: BTreeMap::from([(benchmark.to_owned(), runs.collect())]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{digest::Digest, eval::TaskOutcome};

    fn outcome(tasks: &[(&str, &[bool])]) -> EvalOutcome {
        let tasks = tasks.iter().map(|(id, passed)| TaskOutcome {
            task_id: (*id).to_owned(),
            group: None,
            kind: None,
            passed: passed.to_vec(),
            verdicts: vec![String::new(); passed.len()],
            measures: BTreeMap::new(),
        });
        EvalOutcome {
            benchmark: "arena".to_owned(),
            tasks: tasks.collect(),
            metrics: BTreeMap::from([("pass@1".to_owned(), 0.0)]),
            counts: BTreeMap::new(),
            samples_digest: Digest::of_bytes(b""),
            warnings: Vec::new(),
        }
    }

    /// By hand: the changes of the four tasks are 1, 0.5, 0, 0, so that their mean is 0.375, their variance
    /// 0.229166…, and the standard error sqrt(0.229166… / 4) = 0.239357; t(3) = 3.182446.
    #[test]
    fn the_difference_is_that_of_the_tasks_of_both_with_its_interval() {
        let first = outcome(&[
            ("a", &[false, false]),
            ("b", &[true, false]),
            ("c", &[true, true]),
            ("d", &[false, false]),
        ]);
        let second = outcome(&[
            ("a", &[true, true]),
            ("b", &[true, true]),
            ("c", &[true, true]),
            ("d", &[false, false]),
        ]);
        let [first, second] = [first, second].map(|one| [one]);

        let paired = paired(&first, &second);

        let [one] = &paired[..] else {
            panic!("{paired:?}")
        };
        assert_eq!((one.metric.as_str(), one.tasks), ("pass@1", 4));
        assert!((one.first - 0.375).abs() < 1e-15 && (one.second - 0.75).abs() < 1e-15);
        assert!((one.difference - 0.375).abs() < 1e-15);
        let half_width = (0.687_5_f64 / 3.0 / 4.0).sqrt() * 3.182_446_305_283_71;
        // 1e-13: the error of the quantile.
        assert!((one.half_width.unwrap() - half_width).abs() < 1e-13);
        assert!(!one.is_distinguishable);
        let tasks: Vec<String> = parted(&first, &second)
            .into_iter()
            .map(|one| format!("{} {:?} {:?}", one.task, one.first, one.second))
            .collect();
        assert_eq!(tasks, ["a [0, 2] [2, 2]", "b [1, 2] [2, 2]"]);
    }

    #[test]
    fn rows_without_a_task_in_common_have_no_difference() {
        let [first, second] = ["a", "b"].map(|id| [outcome(&[(id, &[true])])]);
        assert!(paired(&first, &second).is_empty() && parted(&first, &second).is_empty());
        assert!(paired(&[], &second).is_empty());
    }
}
