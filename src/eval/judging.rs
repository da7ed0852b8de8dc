//! Judging many solutions, several at a time.

use std::{
    sync::{
        atomic::{AtomicBool, AtomicUsize, Ordering},
        mpsc,
    },
    thread,
};

use super::{EvalError, Judgement, benchmark::Benchmark, sample::Sample};
use crate::sandbox::Pool;

/// Judges samples on all workers of the pool, and hands each result to `on_result` with its
/// sample's position, in the order in which they are done.
///
/// Raising `stop` lets the samples that are being judged end, and begins no other.
pub fn judge_samples(
    benchmark: &dyn Benchmark,
    samples: &[&Sample],
    pool: &Pool,
    stop: &AtomicBool,
    mut on_result: impl FnMut(usize, Result<Judgement, EvalError>),
) {
    let next = AtomicUsize::new(0);
    let (sender, results) = mpsc::channel();
    thread::scope(|scope| {
        for _ in 0..pool.workers() {
            let (sender, next) = (sender.clone(), &next);
            scope.spawn(move || {
                while !stop.load(Ordering::Relaxed) {
                    let position = next.fetch_add(1, Ordering::Relaxed);
                    let Some(sample) = samples.get(position) else {
                        break;
                    };
                    let result = judge(benchmark, sample, pool);
                    if sender.send((position, result)).is_err() {
                        break;
                    }
                }
            });
        }
        drop(sender);
        for (position, result) in results {
            on_result(position, result);
        }
    });
}

fn judge(benchmark: &dyn Benchmark, sample: &Sample, pool: &Pool) -> Result<Judgement, EvalError> {
    let task = benchmark
        .tasks()
        .get(sample.task)
        .ok_or_else(|| EvalError::UnknownTask {
            task: sample.task.to_string(),
        })?;
    benchmark.judge(task, &sample.solution, pool)
}
