//! The model that learns: gradients over micro-batches, and one update from their sum.

use std::thread;

use burn::tensor::{DType, Device, Tensor, TensorData};
use rayon::{ThreadPool, ThreadPoolBuilder};

use crate::{
    model::{Decoder, Dropout, LanguageModel, LogProbs, TokenBatch},
    seed,
};

use super::{
    OptimizerSettings,
    micro_batch::micro_batches,
    optim::{AdamW, Named, global_norm},
};

/// After so many updates in a row without a finite loss and gradient, training gives up.
const MOST_SKIPPED_IN_A_ROW: usize = 10;

/// A model with its optimiser.
#[derive(Debug)]
pub(super) struct Learner {
    pub(super) model: LanguageModel,
    pub(super) optimizer: AdamW,
    /// Updates that were left out so far.
    pub(super) skipped: usize,
    /// Those that were left out since the last that was not.
    pub(super) skipped_in_a_row: usize,
    most_tokens: usize,
    by_block: bool,
    seed: u64,
    /// For micro-batches that run side by side.
    pools: Vec<ThreadPool>,
}

/// A prompt and what follows it.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Sequence {
    pub(super) prompt: Vec<u32>,
    pub(super) completion: Vec<u32>,
}

impl Sequence {
    /// The number of tokens.
    pub(super) fn len(&self) -> usize {
        self.prompt.len() + self.completion.len()
    }
}

/// Where an update stands in the training.
#[derive(Clone, Copy, Debug)]
pub(super) struct Moment {
    /// The step, counted from 0.
    pub(super) step: usize,
    /// The update within the step.
    pub(super) update: usize,
    /// The learning rate.
    pub(super) rate: f64,
    /// What divides the logits.
    pub(super) temperature: f64,
}

/// The part of an update's loss that a micro-batch has in it.
pub(super) type Loss<'a> = dyn Fn(Piece<'_>) -> Tensor<1> + Sync + 'a;

/// A micro-batch on its way through the model.
pub(super) struct Piece<'a> {
    /// Its number among the update's micro-batches.
    pub(super) index: usize,
    /// The places of its rows among the update's sequences.
    pub(super) rows: &'a [usize],
    pub(super) tokens: &'a TokenBatch,
    /// What the model in training thinks of the completions.
    pub(super) scores: LogProbs,
}

/// What an update was like.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Update {
    pub(super) loss: f64,
    pub(super) gradient_norm: f64,
}

impl Update {
    /// Whether it was made: one without finite numbers is left out.
    pub(super) fn is_finite(self) -> bool {
        self.loss.is_finite() && self.gradient_norm.is_finite()
    }
}

/// A micro-batch before its way through the model.
#[derive(Clone, Copy)]
struct MicroBatch<'a> {
    sequences: &'a [Sequence],
    index: usize,
    rows: &'a [usize],
    temperature: f64,
    /// Whether the graph of one block at a time is kept.
    by_block: bool,
}

impl MicroBatch<'_> {
    fn part(self, decoder: &Decoder, dropout: Option<&mut Dropout>, loss: &Loss<'_>) -> Part {
        let tokens = batch(self.sequences, self.rows);
        let part = |scores| {
            loss(Piece {
                index: self.index,
                rows: self.rows,
                tokens: &tokens,
                scores,
            })
        };
        if self.by_block {
            let (loss, gradients) =
                decoder.backward_by_block(&tokens, self.temperature, dropout, part);
            return Part { gradients, loss };
        }
        let part = part(decoder.log_probs(&tokens, self.temperature, dropout));
        let mut gradients = part.backward();
        Part {
            loss: part.inner(),
            gradients: decoder.gradients(&mut gradients),
        }
    }
}

/// What a micro-batch adds to an update.
struct Part {
    gradients: Named,
    loss: Tensor<1>,
}

/// What the micro-batches of an update add up to.
#[derive(Default)]
struct Sum {
    gradients: Named,
    losses: Vec<Tensor<1>>,
}

impl Sum {
    fn add(&mut self, part: Part) {
        self.losses.push(part.loss);
        for (name, gradient) in part.gradients {
            let sum = match self.gradients.remove(&name) {
                Some(sum) => sum + gradient,
                None => gradient,
            };
            self.gradients.insert(name, sum);
        }
    }
}

/// Pools of one thread each, one for every thread of the program, if the model is the processor's.
///
/// A micro-batch that has a thread to itself hands no work over, which takes longer than the work.
fn pools(model: &LanguageModel) -> Vec<ThreadPool> {
    if !model.decoder.engine().runs_micro_batches_side_by_side() {
        return Vec::new();
    }
    let pool = || ThreadPoolBuilder::new().num_threads(1).build();
    // Without threads of its own a training goes on as well, only slower.
    (0..rayon::current_num_threads())
        .map(|_| pool())
        .collect::<Result<_, _>>()
        .unwrap_or_default()
}

impl Learner {
    pub(super) fn new(
        model: LanguageModel,
        optimizer: OptimizerSettings,
        most_tokens: usize,
        by_block: bool,
        seed: u64,
    ) -> Self {
        let optimizer = AdamW::new(optimizer);
        let pools = pools(&model);
        Self {
            model,
            optimizer,
            skipped: 0,
            skipped_in_a_row: 0,
            most_tokens,
            by_block,
            seed,
            pools,
        }
    }

    /// Where tensors for the loss belong.
    pub(super) fn device(&self) -> Device {
        self.model.decoder.device()
    }

    /// Makes one update from the gradient of a loss that is a sum over sequences.
    ///
    /// `loss` gives the part of the loss that a micro-batch has in it; its denominators must be
    /// those of all `sequences`, and then their split into micro-batches changes nothing but
    /// rounding. If loss or gradient is not finite, the model stays as it is.
    pub(super) fn update(
        &mut self,
        sequences: &[Sequence],
        moment: Moment,
        loss: &Loss<'_>,
    ) -> Update {
        let (gradients, loss) = self.gradients(sequences, moment, loss);
        let update = Update {
            loss,
            gradient_norm: global_norm(&gradients),
        };
        if !update.is_finite() {
            self.skipped += 1;
            self.skipped_in_a_row += 1;
            return update;
        }
        self.skipped_in_a_row = 0;
        let parameters = self.model.decoder.trainable();
        let mut updated =
            self.optimizer
                .update(&parameters, gradients, update.gradient_norm, moment.rate);
        drop(parameters);
        let decoder = self.model.decoder.clone();
        self.model.decoder =
            decoder.map_trainable(|name, value| updated.remove(name).unwrap_or(value));
        update
    }

    /// Whether so many updates in a row were left out that there is no use in going on.
    pub(super) fn has_diverged(&self) -> bool {
        self.skipped_in_a_row >= MOST_SKIPPED_IN_A_ROW
    }

    /// The gradients of all micro-batches, summed by name, and the sum of their losses.
    ///
    /// On the processor several micro-batches run side by side, a thread each; their parts are summed
    /// in the order of the micro-batches all the same, so that no digit depends on the threads.
    pub(super) fn gradients(
        &self,
        sequences: &[Sequence],
        moment: Moment,
        loss: &Loss<'_>,
    ) -> (Named, f64) {
        let decoder = &self.model.decoder;
        let batches = self.split(sequences);
        let mut sum = Sum::default();
        // One stream of dropout runs through all micro-batches, one after the other.
        if self.pools.len() > 1 && batches.len() > 1 && !decoder.drops() {
            for (wave, batches) in batches.chunks(self.pools.len()).enumerate() {
                let first = wave * self.pools.len();
                for part in self.side_by_side(sequences, moment, (first, batches), loss) {
                    sum.add(part);
                }
            }
        } else {
            let (step, update) = (moment.step as u64, moment.update as u64);
            let mut dropout = Dropout::new(seed::stream(self.seed, "dropout", step, update));
            for (index, rows) in batches.iter().enumerate() {
                let micro_batch = MicroBatch {
                    sequences,
                    index,
                    rows,
                    temperature: moment.temperature,
                    by_block: self.by_block,
                };
                sum.add(micro_batch.part(decoder, Some(&mut dropout), loss));
            }
        }
        (sum.gradients, read(sum.losses).iter().sum())
    }

    /// The parts of some micro-batches, which come with the number of the first.
    fn side_by_side(
        &self,
        sequences: &[Sequence],
        moment: Moment,
        (first, batches): (usize, &[Vec<usize>]),
        loss: &Loss<'_>,
    ) -> Vec<Part> {
        thread::scope(|scope| {
            let threads = batches.iter().zip(self.pools.iter()).enumerate();
            let threads: Vec<_> = threads
                .map(|(place, (rows, pool))| {
                    let micro_batch = MicroBatch {
                        sequences,
                        index: first + place,
                        rows,
                        temperature: moment.temperature,
                        by_block: self.by_block,
                    };
                    // Leaves of its own: graphs that share one wait for each other.
                    let replica = self.model.decoder.clone().map_trainable(|_, value| value);
                    scope.spawn(move || pool.install(|| micro_batch.part(&replica, None, loss)))
                })
                .collect();
            let parts = threads.into_iter().map(thread::ScopedJoinHandle::join);
            parts
                .map(|part| part.unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
                .collect()
        })
    }

    /// The log-probabilities of each completion's tokens under `decoder`, without a graph.
    pub(super) fn log_probs_under(
        &self,
        decoder: &Decoder,
        sequences: &[Sequence],
        temperature: f64,
    ) -> Vec<Vec<f32>> {
        let mut all = vec![Vec::new(); sequences.len()];
        for rows in self.split(sequences) {
            let tokens = batch(sequences, &rows);
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

    fn split(&self, sequences: &[Sequence]) -> Vec<Vec<usize>> {
        let lengths: Vec<_> = sequences
            .iter()
            .map(|one| (one.prompt.len(), one.completion.len()))
            .collect();
        micro_batches(&lengths, self.most_tokens)
    }
}

fn batch(sequences: &[Sequence], rows: &[usize]) -> TokenBatch {
    let prompts: Vec<_> = rows
        .iter()
        .map(|row| sequences[*row].prompt.clone())
        .collect();
    let completions: Vec<_> = rows
        .iter()
        .map(|row| sequences[*row].completion.clone())
        .collect();
    TokenBatch::new(&prompts, &completions)
}

/// The values of tensors with one element each, read from the device at once.
pub(super) fn read(tensors: Vec<Tensor<1>>) -> Vec<f64> {
    if tensors.is_empty() {
        return Vec::new();
    }
    Tensor::cat(tensors, 0).into_data().iter::<f64>().collect()
}

/// A rectangle with one row of numbers for each sequence, filled up with zeros.
///
/// # Shapes
///
/// - output: `[rows, columns]`
pub(super) fn rectangle<'a>(
    rows: impl IntoIterator<Item = &'a [f32]>,
    columns: usize,
    device: &Device,
) -> Tensor<2> {
    let mut values = Vec::new();
    let mut count = 0;
    for row in rows {
        count += 1;
        values.extend(row.iter().copied().take(columns));
        values.resize(count * columns, 0.0);
    }
    Tensor::from_data(
        TensorData::new(values, [count, columns]),
        (device, DType::F32),
    )
}

/// A number in the precision of the loss.
#[expect(
    clippy::cast_possible_truncation,
    reason = "rounding to the nearest f32 is meant"
)]
pub(super) fn narrow(value: f64) -> f32 {
    value as f32
}
