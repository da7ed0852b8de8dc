//! Counts and rates over many judgements.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Judgement, pass_at_k::pass_at_k_of_tasks};

/// The values of k for which pass@k is reported, if there are as many samples.
const KS: &[usize] = &[1, 2, 3, 5, 10, 20, 50, 100];

/// Counts and rates over the samples of a benchmark.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Tally {
    /// Tasks of the benchmark.
    pub tasks: usize,
    /// Tasks that have samples; the rates are means over these.
    pub tasks_with_samples: usize,
    /// Samples.
    pub samples: usize,
    /// Samples that could not be judged; they count as failed.
    pub failures: usize,
    /// Samples by the name of their verdict.
    pub verdicts: BTreeMap<String, usize>,
    /// `pass@1` and so on, for each k for which every task with samples has enough of them.
    pub pass_at_k: BTreeMap<String, f64>,
    /// The same rates for each other measure of the benchmark.
    pub measures: BTreeMap<String, BTreeMap<String, f64>>,
}

impl Tally {
    /// Counts judgements, each given with the position of its task among `tasks`. A sample that could
    /// not be judged has none.
    pub fn new(tasks: usize, judged: &[(usize, Option<&Judgement>)]) -> Self {
        let mut tally = Self {
            tasks,
            samples: judged.len(),
            ..Self::default()
        };
        let mut measures: Vec<&str> = Vec::new();
        for (_, judgement) in judged {
            match judgement {
                Some(judgement) => {
                    let name = judgement.verdict.name().to_owned();
                    *tally.verdicts.entry(name).or_default() += 1;
                    measures.extend(judgement.measures.keys().map(String::as_str));
                }
                None => tally.failures += 1,
            }
        }
        measures.sort_unstable();
        measures.dedup();
        let (count, rates) = rates(judged, |judgement| judgement.passed);
        tally.tasks_with_samples = count;
        tally.pass_at_k = rates;
        for name in measures {
            let holds = |judgement: &Judgement| judgement.measures.get(name) == Some(&true);
            tally
                .measures
                .insert(name.to_owned(), self::rates(judged, holds).1);
        }
        tally
    }
}

/// The number of tasks with samples, and pass@k over them.
fn rates(
    judged: &[(usize, Option<&Judgement>)],
    holds: impl Fn(&Judgement) -> bool,
) -> (usize, BTreeMap<String, f64>) {
    let mut tasks: BTreeMap<usize, (usize, usize)> = BTreeMap::new();
    for (task, judgement) in judged {
        let (samples, correct) = tasks.entry(*task).or_default();
        *samples += 1;
        *correct += usize::from(judgement.is_some_and(&holds));
    }
    let tasks: Vec<_> = tasks.into_values().collect();
    let rates = KS
        .iter()
        .filter_map(|k| pass_at_k_of_tasks(&tasks, *k).map(|rate| (format!("pass@{k}"), rate)));
    (tasks.len(), rates.collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sandbox::Verdict;

    #[test]
    fn rates_are_reported_for_the_samples_that_every_task_has() {
        let pass = Judgement::of_tests("tests", &[Verdict::Pass]);
        let fail = Judgement::of_tests("tests", &[Verdict::Pass, Verdict::Timeout]);
        let judged = [
            (0, Some(&pass)),
            (0, Some(&fail)),
            (0, None),
            (4, Some(&fail)),
            (4, Some(&pass)),
        ];

        let tally = Tally::new(7, &judged);

        // By hand: pass@1 is the mean of 1/3 and 1/2; of two samples 1 of 3 pairs has no correct
        // one in the first task, none in the second.
        let expected = BTreeMap::from([
            ("pass@1".to_owned(), 5.0 / 12.0),
            ("pass@2".to_owned(), 5.0 / 6.0),
        ]);
        assert_eq!(
            tally.pass_at_k.keys().collect::<Vec<_>>(),
            expected.keys().collect::<Vec<_>>()
        );
        for (k, rate) in &expected {
            // 1e-12: float64.
            assert!((tally.pass_at_k[k] - rate).abs() < 1e-12, "{k}");
        }
        assert_eq!(
            (tally.tasks, tally.tasks_with_samples, tally.failures),
            (7, 2, 1)
        );
        assert_eq!(tally.verdicts["timeout"], 2);
    }
}
