//! The gradients of a batch: the sum over its micro-batches.

use std::thread;

use burn::tensor::Tensor;
use rayon::{ThreadPool, ThreadPoolBuilder};

use crate::{
    model::{Decoder, Dropout, Wanted},
    seed,
    train::context::UpdateContext,
};

use super::{
    diagnostics::{Diagnostics, read_scalars},
    micro_batch::{Loss, MicroBatch, MicroBatchGradients, Sequence, split, token_batch},
    optimizer::Named,
};

/// The gradients of a batch by the names of their parameters, and its loss.
#[derive(Debug)]
pub(in crate::train) struct BatchGradients {
    pub(in crate::train) gradients: Named,
    pub(in crate::train) loss: f64,
    pub(in crate::train) diagnostics: Diagnostics,
}

/// The sum over some micro-batches, in their order.
#[derive(Default)]
struct GradientSum {
    gradients: Named,
    losses: Vec<Tensor<1>>,
    diagnostics: Diagnostics,
}

impl GradientSum {
    fn add(&mut self, part: MicroBatchGradients) {
        self.losses.push(part.loss);
        self.diagnostics.add(part.diagnostics);
        for (name, gradient) in part.gradients {
            let sum = match self.gradients.remove(&name) {
                Some(sum) => sum + gradient,
                None => gradient,
            };
            self.gradients.insert(name, sum);
        }
    }
}

/// Runs batches through a model, split into micro-batches.
#[derive(Debug)]
pub(super) struct MicroBatchRunner {
    max_tokens: usize,
    by_block: bool,
    seed: u64,
    /// One pool for each micro-batch that runs at the same time. If there are none, micro-batches
    /// run one after the other.
    pools: Vec<ThreadPool>,
}

impl MicroBatchRunner {
    pub(super) fn new(decoder: &Decoder, max_tokens: usize, by_block: bool, seed: u64) -> Self {
        Self {
            max_tokens,
            by_block,
            seed,
            pools: pools(decoder),
        }
    }

    /// The gradients of all micro-batches summed by name, and the sum of their losses.
    ///
    /// On the processor several micro-batches run side by side, each in one thread. The sum is in
    /// the order of the micro-batches either way, so that no digit depends on the threads.
    pub(super) fn gradients(
        &self,
        decoder: &Decoder,
        sequences: &[Sequence],
        context: UpdateContext,
        wanted: Wanted<'_>,
        loss: &Loss<'_>,
    ) -> BatchGradients {
        let batches = split(sequences, self.max_tokens);
        let mut sum = GradientSum::default();
        // One stream of dropout runs through all micro-batches, one after the other.
        if self.pools.len() > 1 && batches.len() > 1 && !decoder.drops() {
            for wave in batches.chunks(self.pools.len()) {
                let wave = wave
                    .iter()
                    .map(|rows| self.micro_batch(sequences, rows, context, wanted));
                for part in self.side_by_side(decoder, wave, loss) {
                    sum.add(part);
                }
            }
        } else {
            let (step, update) = (context.step.step as u64, context.update as u64);
            let mut dropout = Dropout::new(seed::stream(self.seed, "dropout", step, update));
            for rows in &batches {
                let micro_batch = self.micro_batch(sequences, rows, context, wanted);
                sum.add(micro_batch.gradients(decoder, Some(&mut dropout), loss));
            }
        }
        BatchGradients {
            gradients: sum.gradients,
            loss: read_scalars(sum.losses).iter().sum(),
            diagnostics: sum.diagnostics,
        }
    }

    /// The log-probability of each token of each completion, without a graph.
    pub(super) fn log_probs(
        &self,
        decoder: &Decoder,
        sequences: &[Sequence],
        temperature: f64,
    ) -> Vec<Vec<f32>> {
        let mut all = vec![Vec::new(); sequences.len()];
        for rows in split(sequences, self.max_tokens) {
            let tokens = token_batch(sequences, &rows);
            let scores = decoder.log_probs(&tokens, temperature, None).log_probs;
            let width = tokens.completion_time().max(1);
            let values: Vec<f32> = scores.into_data().iter::<f32>().collect();
            for (row, values) in rows.iter().zip(values.chunks(width)) {
                all[*row] = values
                    .iter()
                    .copied()
                    .take(sequences[*row].completion.len())
                    .collect();
            }
        }
        all
    }

    fn micro_batch<'a>(
        &self,
        sequences: &'a [Sequence],
        rows: &'a [usize],
        context: UpdateContext,
        wanted: Wanted<'a>,
    ) -> MicroBatch<'a> {
        MicroBatch {
            sequences,
            rows,
            temperature: context.temperature,
            wanted,
            by_block: self.by_block,
        }
    }

    /// The gradients of at most as many micro-batches as there are pools.
    fn side_by_side<'a>(
        &self,
        decoder: &Decoder,
        micro_batches: impl Iterator<Item = MicroBatch<'a>>,
        loss: &Loss<'_>,
    ) -> Vec<MicroBatchGradients> {
        thread::scope(|scope| {
            let threads: Vec<_> = micro_batches
                .zip(&self.pools)
                .map(|(micro_batch, pool)| {
                    // Each thread has leaves of its own, since graphs that share one wait for each
                    // other.
                    let replica = decoder.clone().map_trainable(|_, value| value);
                    scope
                        .spawn(move || pool.install(|| micro_batch.gradients(&replica, None, loss)))
                })
                .collect();
            let parts = threads.into_iter().map(thread::ScopedJoinHandle::join);
            parts
                .map(|part| part.unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
                .collect()
        })
    }
}

/// Pools of one thread each, one for every thread of the program, if the model is on the processor.
///
/// A micro-batch with a thread to itself hands no work to other threads, which would take longer
/// than the work.
fn pools(decoder: &Decoder) -> Vec<ThreadPool> {
    if !decoder.engine().runs_micro_batches_side_by_side() {
        return Vec::new();
    }
    let pool = || ThreadPoolBuilder::new().num_threads(1).build();
    // If the system refuses threads, training is slower but works.
    (0..rayon::current_num_threads())
        .map(|_| pool())
        .collect::<Result<_, _>>()
        .unwrap_or_default()
}
