//! The unit tests of all rows, some of them held out.

use std::borrow::Cow;

use crate::{
    reward::{Case, Normalizer, Recorded, RewardError, TestJudge, UnitTests, code_of},
    seed,
    train::{error::TrainError, observer::TestShares, task::Row},
};

use super::answer::Answer;

/// The unit tests of all rows, ready to run.
#[derive(Debug)]
pub(in crate::train) struct RowTests<'a> {
    judge: &'a TestJudge,
    rows: Vec<RowTest>,
}

#[derive(Debug)]
struct RowTest {
    recorded: Recorded,
    /// The code that is wanted.
    target: String,
    /// Whether each test is held out.
    is_hidden: Vec<bool>,
}

impl<'a> RowTests<'a> {
    /// Runs the tests of each row on its target code, which must pass them.
    pub(in crate::train) fn record(
        judge: &'a TestJudge,
        rows: &[Row],
        hidden_share: f64,
        seed: u64,
    ) -> Result<Self, TrainError> {
        let mut pairs: Vec<(&UnitTests, &str)> = Vec::with_capacity(rows.len());
        for row in rows {
            match &row.tests {
                Some(tests) if !tests.tests.is_empty() => {
                    pairs.push((tests, row.target_code.as_str()));
                }
                _ => {
                    return Err(TrainError::Settings(format!(
                        "the reward runs unit tests, and `{}` has none",
                        row.id
                    )));
                }
            }
        }
        let recorded = judge
            .record_all(&pairs)
            .map_err(|(row, source)| TrainError::Tests {
                row: rows[row].id.clone(),
                source,
            })?;
        let with_hidden = |(row, recorded): (usize, Recorded)| RowTest {
            is_hidden: hidden(recorded.count(), hidden_share, seed, row),
            target: rows[row].target_code.clone(),
            recorded,
        };
        Ok(Self {
            judge,
            rows: recorded.into_iter().enumerate().map(with_hidden).collect(),
        })
    }

    /// The shares of the tests that each completion passes.
    pub(in crate::train) fn run(
        &self,
        answers: &[Answer<'_>],
        normalizer: Normalizer,
    ) -> Result<Vec<TestShares>, RewardError> {
        let codes: Vec<Option<Cow<'_, str>>> = answers
            .iter()
            .map(|one| code_of(one.text, &self.rows[one.row].target, normalizer))
            .collect();
        let cases = answers.iter().zip(&codes);
        let cases: Vec<Case<'_>> = cases
            .map(|(one, code)| (&self.rows[one.row].recorded, code.as_deref()))
            .collect();
        let verdicts = self.judge.judge(&cases)?;
        let shares = answers.iter().zip(verdicts).map(|(answer, verdicts)| {
            let is_hidden = &self.rows[answer.row].is_hidden;
            let share = |wanted: bool| {
                let tests = verdicts.iter().zip(is_hidden);
                let passed: Vec<bool> = tests
                    .filter(|(_, is_hidden)| **is_hidden == wanted)
                    .map(|(verdict, _)| verdict.is_pass())
                    .collect();
                let count = passed.iter().filter(|passed| **passed).count();
                (!passed.is_empty()).then(|| count as f64 / passed.len() as f64)
            };
            TestShares {
                rewarded: share(false).unwrap_or_default(),
                hidden: share(true),
            }
        });
        Ok(shares.collect())
    }
}

/// Which tests of a row are held out: a share of them, rounded, and never all.
fn hidden(count: usize, share: f64, seed: u64, row: usize) -> Vec<bool> {
    let wanted = (0..count).filter(|test| (*test as f64 + 0.5) < share * count as f64);
    let hidden = wanted.count().min(count.saturating_sub(1));
    let mut order: Vec<usize> = (0..count).collect();
    seed::stream(seed, "hidden tests", 0, row as u64).shuffle(&mut order);
    let mut is_hidden = vec![false; count];
    for test in order.into_iter().take(hidden) {
        is_hidden[test] = true;
    }
    is_hidden
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(tests: usize, share: f64) -> usize {
        let is_hidden = hidden(tests, share, 7, 3);
        assert_eq!(is_hidden.len(), tests);
        is_hidden.iter().filter(|hidden| **hidden).count()
    }

    /// By hand: the share of the tests, rounded, and one test at least is rewarded.
    #[test]
    fn a_share_of_the_tests_is_held_out_and_never_all() {
        assert_eq!([count(4, 0.0), count(4, 0.25), count(4, 0.5)], [0, 1, 2]);
        assert_eq!([count(3, 0.5), count(10, 0.26), count(4, 0.99)], [1, 3, 3]);
        assert_eq!([count(1, 0.9), count(0, 0.5)], [0, 0]);
    }

    #[test]
    fn the_choice_depends_on_the_seed_and_the_row() {
        let first = hidden(40, 0.5, 1, 1);
        assert_eq!(first, hidden(40, 0.5, 1, 1));
        assert_ne!(first, hidden(40, 0.5, 2, 1));
        assert_ne!(first, hidden(40, 0.5, 1, 2));
    }
}
