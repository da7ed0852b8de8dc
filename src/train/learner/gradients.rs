//! The gradients of a batch: the sum over its micro-batches.

use std::thread;

use burn::tensor::Tensor;
use rayon::{ThreadPool, ThreadPoolBuilder};

use crate::{
    model::{Decoder, Dropout, Wanted},
    ranks::{RankError, Ranks},
    seed,
    train::context::UpdateContext,
};

use super::{
    diagnostics::{Diagnostics, Figures, Measured},
    micro_batch::{Loss, MicroBatch, MicroBatchGradients, Sequence, split, token_batch},
    optimizer::Named,
    shared::SharedSum,
};

/// The gradients of a batch by the names of their parameters, and its loss.
#[derive(Debug)]
pub(in crate::train) struct BatchGradients {
    pub(in crate::train) gradients: Named,
    pub(in crate::train) loss: f64,
    pub(in crate::train) measured: Measured,
}

/// Adds the gradients of one more micro-batch.
fn add(sum: &mut Named, gradients: Named) {
    for (name, gradient) in gradients {
        let sum_of_both = match sum.remove(&name) {
            Some(sum) => sum + gradient,
            None => gradient,
        };
        sum.insert(name, sum_of_both);
    }
}

/// Runs batches through a model, split into micro-batches, of which each rank computes its own.
#[derive(Debug)]
pub(super) struct MicroBatchRunner {
    max_tokens: usize,
    by_block: bool,
    seed: u64,
    ranks: Ranks,
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
            ranks: Ranks::alone(),
            pools: pools(decoder),
        }
    }

    /// Shares micro-batches with other ranks. Each runs as many side by side as the rank with the fewest threads.
    pub(super) fn share(&mut self, ranks: &Ranks) -> Result<(), RankError> {
        let threads = ranks.gather_values(&self.pools.len())?;
        self.pools.truncate(threads.into_iter().min().unwrap_or(0));
        self.ranks = ranks.clone();
        Ok(())
    }

    /// The gradients of all micro-batches summed by name, and the sum of their losses.
    ///
    /// On the processor several micro-batches run side by side, each in one thread. The sum is in
    /// the order of the micro-batches either way, so that no digit depends on the threads or the ranks.
    pub(super) fn gradients(
        &self,
        decoder: &Decoder,
        sequences: &[Sequence],
        context: UpdateContext,
        wanted: Wanted<'_>,
        loss: &Loss<'_>,
    ) -> Result<BatchGradients, RankError> {
        let batches = split(sequences, self.max_tokens);
        // One stream of dropout runs through all micro-batches, one after the other.
        let is_side_by_side = self.pools.len() > 1 && batches.len() > 1 && !decoder.drops();
        let at_once = if is_side_by_side { self.pools.len() } else { 1 };
        let (step, update) = (context.step.step as u64, context.update as u64);
        let mut dropout = Dropout::new(seed::stream(self.seed, "dropout", step, update));
        let parameters = decoder.trainable();
        let mut shared = (self.ranks.count() > 1).then(|| SharedSum::new(&self.ranks, &parameters));
        let mut sum = Named::new();
        let mut measured: Vec<(Tensor<1>, Diagnostics)> = Vec::new();
        for wave in batches.chunks(at_once * self.ranks.count()) {
            let micro_batches = wave
                .iter()
                .map(|rows| self.micro_batch(sequences, rows, context, wanted));
            let parts = if is_side_by_side {
                self.side_by_side(decoder, micro_batches.skip(self.ranks.rank()), loss)
            } else {
                self.one_by_one(decoder, micro_batches, &mut dropout, loss)
            };
            let mut gradients = Vec::with_capacity(parts.len());
            for part in parts {
                gradients.push(part.gradients);
                measured.push((part.loss, part.diagnostics));
            }
            match &mut shared {
                Some(shared) => shared.add(gradients, wave.len())?,
                None => gradients.into_iter().for_each(|one| add(&mut sum, one)),
            }
        }
        if let Some(shared) = shared {
            sum = shared.finish()?;
        }
        let figures = self.in_order(Figures::read(measured), batches.len())?;
        Ok(BatchGradients {
            gradients: sum,
            loss: figures.iter().map(|one| one.loss).sum(),
            measured: Measured::of(&figures),
        })
    }

    /// The figures of all micro-batches, from those of each rank.
    fn in_order(&self, own: Vec<Figures>, count: usize) -> Result<Vec<Figures>, RankError> {
        if self.ranks.count() == 1 {
            return Ok(own);
        }
        let all = self.ranks.gather_values(&own)?;
        let figures = |index: usize| {
            let rank = index % all.len();
            let what = "too few figures";
            all[rank]
                .get(index / all.len())
                .copied()
                .ok_or(RankError::Garbled { rank, what })
        };
        (0..count).map(figures).collect()
    }

    /// The log-probability of each token of each completion, without a graph.
    pub(super) fn log_probs(
        &self,
        decoder: &Decoder,
        sequences: &[Sequence],
        temperature: f64,
    ) -> Result<Vec<Vec<f32>>, RankError> {
        let batches = split(sequences, self.max_tokens);
        let ranks = self.ranks.count();
        let of_rank = |rank: usize| batches.iter().skip(rank).step_by(ranks);
        let mut own = Vec::new();
        for rows in of_rank(self.ranks.rank()) {
            let tokens = token_batch(sequences, rows);
            let scores = decoder.log_probs(&tokens, temperature, None).log_probs;
            let width = tokens.completion_time().max(1);
            let values: Vec<f32> = scores.into_data().iter::<f32>().collect();
            for (row, values) in rows.iter().zip(values.chunks(width)) {
                let length = sequences[*row].completion.len();
                own.extend(values.iter().take(length).flat_map(|one| one.to_le_bytes()));
            }
        }
        let mut all = vec![Vec::new(); sequences.len()];
        for (rank, bytes) in self.ranks.gather(own)?.into_iter().enumerate() {
            let mut values = bytes.as_chunks().0.iter().copied().map(f32::from_le_bytes);
            for row in of_rank(rank).flatten() {
                all[*row] = values
                    .by_ref()
                    .take(sequences[*row].completion.len())
                    .collect();
            }
        }
        Ok(all)
    }

    /// The gradients of this rank's part of some micro-batches that follow one another.
    fn one_by_one<'a>(
        &self,
        decoder: &Decoder,
        micro_batches: impl Iterator<Item = MicroBatch<'a>>,
        dropout: &mut Dropout,
        loss: &Loss<'_>,
    ) -> Vec<MicroBatchGradients> {
        let mut parts = Vec::new();
        for (index, micro_batch) in micro_batches.enumerate() {
            if index % self.ranks.count() == self.ranks.rank() {
                parts.push(micro_batch.gradients(decoder, Some(dropout), loss));
            } else if decoder.drops() {
                decoder.skip_dropout(&micro_batch.tokens(), dropout);
            }
        }
        parts
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

    /// The gradients of this rank's micro-batches, of which the first is the first of `micro_batches`; at most as many
    /// as there are pools.
    fn side_by_side<'a>(
        &self,
        decoder: &Decoder,
        micro_batches: impl Iterator<Item = MicroBatch<'a>>,
        loss: &Loss<'_>,
    ) -> Vec<MicroBatchGradients> {
        thread::scope(|scope| {
            let threads: Vec<_> = micro_batches
                .step_by(self.ranks.count())
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
