//! The loop that judges many submissions, several at a time.

use std::{
    collections::BTreeMap,
    sync::{
        atomic::{AtomicBool, AtomicUsize, Ordering},
        mpsc,
    },
    thread,
};

use super::{
    EvalError, Judgement, SampleRecord,
    benchmark::{Benchmark, Task},
};
use crate::sandbox::Pool;

/// Code that is to be judged, and its task.
#[derive(Clone, Copy, Debug)]
pub struct Submission<'a> {
    /// The task that the code is to solve.
    pub task: &'a Task,
    /// The code, or the text that it is in.
    pub text: Text<'a>,
}

/// The text of a submission.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Text<'a> {
    /// What a model answered; the benchmark extracts the solution from it.
    Answer(&'a str),
    /// A whole solution.
    Solution(&'a str),
}

/// Judges submissions on all workers of the pool, and hands each result to `on_judged` with the
/// submission's position, in the order in which they are done.
///
/// Once `stop` is set, no further submission is started; those that run are finished.
pub fn judge_each(
    benchmark: &dyn Benchmark,
    submissions: &[Submission<'_>],
    pool: &Pool,
    stop: &AtomicBool,
    mut on_judged: impl FnMut(usize, Result<Judgement, EvalError>),
) {
    let next = AtomicUsize::new(0);
    let (sender, results) = mpsc::channel();
    thread::scope(|scope| {
        for _ in 0..pool.workers().min(submissions.len()) {
            let (sender, next) = (sender.clone(), &next);
            scope.spawn(move || {
                while !stop.load(Ordering::Relaxed) {
                    let position = next.fetch_add(1, Ordering::Relaxed);
                    let Some(submission) = submissions.get(position) else {
                        break;
                    };
                    let result = submission.judge(benchmark, pool);
                    if sender.send((position, result)).is_err() {
                        break;
                    }
                }
            });
        }
        drop(sender);
        for (position, result) in results {
            on_judged(position, result);
        }
    });
}

/// Judges the completions of records, each given with its task; returns the records in their order.
pub(super) fn judge_records(
    benchmark: &dyn Benchmark,
    records: Vec<(&Task, SampleRecord)>,
    pool: &Pool,
) -> Vec<SampleRecord> {
    let submissions: Vec<_> = records
        .iter()
        .map(|(task, record)| Submission {
            task,
            text: Text::Answer(&record.completion),
        })
        .collect();
    let mut results = BTreeMap::new();
    let never = AtomicBool::new(false);
    judge_each(benchmark, &submissions, pool, &never, |position, result| {
        results.insert(position, result);
    });
    records
        .into_iter()
        .zip(results.into_values())
        .map(|((_, record), result)| record.judged(result))
        .collect()
}

impl Submission<'_> {
    fn judge(&self, benchmark: &dyn Benchmark, pool: &Pool) -> Result<Judgement, EvalError> {
        match self.text {
            Text::Solution(solution) => benchmark.judge(self.task, solution, pool),
            Text::Answer(answer) => match benchmark.extract(self.task, answer) {
                Some(solution) => benchmark.judge(self.task, &solution, pool),
                None => Ok(Judgement::of_no_code()),
            },
        }
    }
}
