//! Judging many solutions, several at a time.

use std::{
    collections::BTreeMap,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread,
};

use super::{JudgeError, Recorded, TestJudge, UnitTests, judge::is_program};
use crate::sandbox::Verdict;

/// A solution, and the tests that judge it; without code all tests fail.
pub type Case<'a> = (&'a Recorded, Option<&'a str>);

impl TestJudge {
    /// The verdict of each test on each solution, in their order.
    ///
    /// Equal solutions of one row are run once. The number of workers changes no verdict. The first
    /// failure of the judge ends the batch.
    pub fn judge(&self, cases: &[Case<'_>]) -> Result<Vec<Vec<Verdict>>, JudgeError> {
        let mut first_of: BTreeMap<(usize, &str), usize> = BTreeMap::new();
        let mut jobs = Vec::new();
        for (index, (recorded, code)) in cases.iter().enumerate() {
            let Some(code) = code.filter(|code| is_program(code)) else {
                continue;
            };
            let row: *const Recorded = *recorded;
            if *first_of.entry((row.addr(), code)).or_insert(index) == index {
                jobs.extend((0..recorded.count()).map(|test| (index, test, code)));
            }
        }
        let verdicts = self.run(cases, &jobs)?;
        let of_case = |(recorded, code): &Case<'_>| -> Vec<Verdict> {
            let row: *const Recorded = *recorded;
            let first = code.and_then(|code| first_of.get(&(row.addr(), code)));
            let verdict = |test| {
                let known = first.and_then(|first| verdicts.get(&(*first, test)));
                known.cloned().unwrap_or_else(|| no_program(code.is_some()))
            };
            (0..recorded.count()).map(verdict).collect()
        };
        Ok(cases.iter().map(of_case).collect())
    }

    /// [`TestJudge::record`] for many rows on all workers of the pool; the error of the first row that has
    /// one comes with its position.
    pub fn record_all(
        &self,
        rows: &[(&UnitTests, &str)],
    ) -> Result<Vec<Recorded>, (usize, JudgeError)> {
        let next = AtomicUsize::new(0);
        let done = Mutex::new(BTreeMap::new());
        let has_failed = AtomicBool::new(false);
        thread::scope(|scope| {
            for _ in 0..self.pool.workers().min(rows.len()) {
                scope.spawn(|| {
                    while !has_failed.load(Ordering::Relaxed) {
                        let row = next.fetch_add(1, Ordering::Relaxed);
                        let Some((tests, reference)) = rows.get(row) else {
                            return;
                        };
                        let recorded = self.record(tests, reference);
                        has_failed.fetch_or(recorded.is_err(), Ordering::Relaxed);
                        let mut done = done.lock().unwrap_or_else(PoisonError::into_inner);
                        done.insert(row, recorded);
                    }
                });
            }
        });
        let done = done.into_inner().unwrap_or_else(PoisonError::into_inner);
        done.into_iter()
            .map(|(row, recorded)| recorded.map_err(|error| (row, error)))
            .collect()
    }

    /// Runs tests on all workers of the pool.
    fn run(
        &self,
        cases: &[Case<'_>],
        jobs: &[(usize, usize, &str)],
    ) -> Result<BTreeMap<(usize, usize), Verdict>, JudgeError> {
        let next = AtomicUsize::new(0);
        let done = Mutex::new(Ok(BTreeMap::new()));
        thread::scope(|scope| {
            for _ in 0..self.pool.workers().min(jobs.len()) {
                scope.spawn(|| {
                    while let Some((case, test, code)) =
                        jobs.get(next.fetch_add(1, Ordering::Relaxed))
                    {
                        let found = self.run_test(cases[*case].0, *test, code);
                        let mut done = done.lock().unwrap_or_else(PoisonError::into_inner);
                        match found {
                            Ok(verdict) => {
                                let Ok(verdicts) = &mut *done else { return };
                                verdicts.insert((*case, *test), verdict);
                            }
                            Err(error) => {
                                if done.is_ok() {
                                    *done = Err(error);
                                }
                                return;
                            }
                        }
                    }
                });
            }
        });
        done.into_inner().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The verdict of all tests on a completion without a program.
fn no_program(has_code: bool) -> Verdict {
    let (exception, message) = if has_code {
        ("SyntaxError", "the code does not parse")
    } else {
        ("NoCode", "the completion holds no code")
    };
    Verdict::Error {
        exception: exception.to_owned(),
        message: message.to_owned(),
    }
}
