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

/// Judges again the samples of an earlier attempt that could not be judged; the others stay as they are.
pub fn judge_again(
    benchmark: &dyn Benchmark,
    samples: Vec<SampleRecord>,
    pool: &Pool,
) -> Vec<SampleRecord> {
    let task_of = |sample: &SampleRecord| {
        let is_open = sample.judgement.is_none();
        let mut tasks = benchmark.tasks().iter().filter(|_| is_open);
        tasks.find(|task| task.id == sample.task_id)
    };
    let open = samples.iter().enumerate().filter_map(|(place, sample)| {
        let task = task_of(sample)?;
        let error = None;
        Some((
            place,
            (
                task,
                SampleRecord {
                    error,
                    ..sample.clone()
                },
            ),
        ))
    });
    let (places, open): (Vec<usize>, Vec<_>) = open.unzip();
    let judged = judge_records(benchmark, open, pool);
    let mut samples = samples;
    for (place, sample) in places.into_iter().zip(judged) {
        samples[place] = sample;
    }
    samples
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

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;

    use super::*;
    use crate::sandbox::{Settings, Verdict};

    /// Passes whatever it judges, and counts how often it is asked.
    #[derive(Debug, Default)]
    struct Easy {
        tasks: Vec<Task>,
        asked: AtomicUsize,
    }

    impl Benchmark for Easy {
        fn name(&self) -> &'static str {
            "easy"
        }

        fn tasks(&self) -> &[Task] {
            &self.tasks
        }

        fn extract(&self, _: &Task, answer: &str) -> Option<String> {
            Some(answer.to_owned())
        }

        fn reference(&self, _: &Task) -> Option<String> {
            None
        }

        fn judge(&self, _: &Task, _: &str, _: &Pool) -> Result<Judgement, EvalError> {
            self.asked.fetch_add(1, Ordering::Relaxed);
            Ok(Judgement::of_tests("tests", &[Verdict::Pass]))
        }
    }

    fn sample(index: usize, judgement: Option<Judgement>) -> SampleRecord {
        SampleRecord {
            chunk: 0,
            task_id: "t".to_owned(),
            index,
            completion: String::new(),
            tokens: 1,
            prompt_tokens: None,
            is_truncated: false,
            error: judgement.is_none().then(|| "cannot judge".to_owned()),
            judgement,
        }
    }

    #[test]
    fn only_what_could_not_be_judged_is_judged_again() {
        let id = "t".to_owned();
        let fields = serde_json::Value::Null;
        let (group, kind) = (None, None);
        let benchmark = Easy {
            tasks: vec![Task {
                id,
                group,
                kind,
                fields,
            }],
            ..Easy::default()
        };
        // Nothing untrusted runs: the benchmark does not use the pool.
        let unused = Settings {
            workers: 1,
            is_unsandboxed_allowed: true,
            ..Settings::default()
        };
        let pool = Pool::start(&unused).unwrap();
        let (failed, passed) = (
            Judgement::of_tests("tests", &[Verdict::Timeout]),
            Judgement::of_tests("tests", &[Verdict::Pass]),
        );
        let lost = SampleRecord {
            task_id: "gone".to_owned(),
            ..sample(2, None)
        };
        let before = vec![
            sample(0, Some(failed.clone())),
            sample(1, None),
            lost.clone(),
            sample(3, None),
        ];

        let after = judge_again(&benchmark, before, &pool);

        let expected = [
            sample(0, Some(failed)),
            sample(1, Some(passed.clone())),
            lost,
            sample(3, Some(passed)),
        ];
        assert_eq!(after, expected);
        assert_eq!(benchmark.asked.into_inner(), 2);
    }
}
