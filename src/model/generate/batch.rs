//! Rows that run together.

use std::collections::BTreeMap;

use burn::tensor::Tensor;

use crate::{
    model::{
        Decoder, KvCache, LanguageModel, ModelError, TokenBatch,
        ops::{self, Sampler},
        token_batch::indices,
    },
    seed::Stream,
};

use super::{Completion, Finish, check_logits};

/// A prompt whose completion is not finished.
pub(super) struct Row<'p> {
    /// The index among all prompts.
    index: usize,
    prompt: &'p [u32],
    /// The longest that the completion may become.
    limit: usize,
    stream: Stream,
    /// Columns of the cache before the prompt.
    padding: usize,
    /// The token that was drawn last.
    last: u32,
}

impl<'p> Row<'p> {
    pub(super) fn new(index: usize, prompt: &'p [u32], limit: usize, stream: Stream) -> Self {
        Self {
            index,
            prompt,
            limit,
            stream,
            padding: 0,
            last: 0,
        }
    }

    /// The index among all prompts.
    pub(super) fn index(&self) -> usize {
        self.index
    }
}

/// Rows that run together, one token of each at a time.
pub(super) struct Batch<'m, 'p> {
    decoder: Decoder,
    stop_tokens: &'m [u32],
    sampler: Sampler,
    cache: KvCache,
    rows: Vec<Row<'p>>,
}

impl<'m, 'p> Batch<'m, 'p> {
    pub(super) fn new(model: &'m LanguageModel, sampler: Sampler) -> Self {
        let decoder = model.decoder.merged();
        Self {
            stop_tokens: &model.stop_tokens,
            sampler,
            cache: KvCache::new(decoder.num_layers()),
            rows: Vec::new(),
            decoder,
        }
    }

    pub(super) fn has_rows(&self) -> bool {
        !self.rows.is_empty()
    }

    pub(super) fn rows(&self) -> usize {
        self.rows.len()
    }

    /// The indices of the prompts whose completions have not ended.
    pub(super) fn indices(&self) -> impl Iterator<Item = usize> {
        self.rows.iter().map(Row::index)
    }

    /// Reads the prompts of new rows, draws their first tokens and adds the rows that go on.
    pub(super) fn admit(
        &mut self,
        mut rows: Vec<Row<'p>>,
        completions: &mut [Completion],
    ) -> Result<(), ModelError> {
        let device = self.decoder.device();
        let (distinct, prompt_of) = distinct(&rows);
        let mut cache = KvCache::new(self.decoder.num_layers());
        let tokens = TokenBatch::of_prompts(&distinct);
        let last = self.decoder.last_hidden(&tokens, &mut cache);
        let last = last.select(0, indices(prompt_of.iter().map(|row| *row as i64), &device));
        for (row, prompt) in rows.iter_mut().zip(&prompt_of) {
            row.padding = tokens.left_padding()[*prompt];
        }
        let kept = self.draw(last, &mut rows, completions)?;
        let from: Vec<usize> = kept.iter().map(|place| prompt_of[*place]).collect();
        let mut rows = only(rows, &kept);
        if rows.is_empty() {
            return Ok(());
        }
        let all: Vec<usize> = (0..self.rows.len()).collect();
        let first = self.rows.iter().map(|row| row.padding).min().unwrap_or(0);
        let [old, new] = self.cache.rearrange(&all, first, Some((cache, &from)));
        shift(&mut self.rows, old);
        shift(&mut rows, new);
        self.rows.append(&mut rows);
        Ok(())
    }

    /// Draws the next token of each row, and removes the rows that end.
    pub(super) fn step(&mut self, completions: &mut [Completion]) -> Result<(), ModelError> {
        let next = self.rows.iter().map(|row| row.last).collect();
        let padding = self.rows.iter().map(|row| row.padding).collect();
        let tokens = TokenBatch::of_next(next, padding);
        let last = self.decoder.last_hidden(&tokens, &mut self.cache);
        let mut rows = std::mem::take(&mut self.rows);
        let kept = self.draw(last, &mut rows, completions)?;
        let has_left = kept.len() < rows.len();
        self.rows = only(rows, &kept);
        if has_left {
            let first = self.rows.iter().map(|row| row.padding).min().unwrap_or(0);
            let [gained, _] = self.cache.rearrange(&kept, first, None);
            shift(&mut self.rows, gained);
        }
        Ok(())
    }

    /// Draws a token of each row and returns the indices of the rows that go on.
    ///
    /// # Shapes
    ///
    /// - `last`: `[rows, d]`, the hidden states that predict the tokens
    fn draw(
        &self,
        last: Tensor<2>,
        rows: &mut [Row<'_>],
        completions: &mut [Completion],
    ) -> Result<Vec<usize>, ModelError> {
        let streams = rows.iter_mut().map(|row| &mut row.stream).collect();
        let drawn = ops::draw(&self.sampler, self.decoder.logits(last), streams);
        let mut kept = Vec::with_capacity(rows.len());
        for (place, ((token, log_prob), row)) in drawn.into_iter().zip(rows).enumerate() {
            let completion = &mut completions[row.index];
            check_logits(log_prob, row.index, completion.tokens.len())?;
            completion.tokens.push(token);
            completion.log_probs.push(log_prob);
            row.last = token;
            if self.stop_tokens.contains(&token) {
                completion.finish = Finish::Stop;
            } else if completion.tokens.len() < row.limit {
                kept.push(place);
            }
        }
        Ok(kept)
    }
}

/// The prompts without repetitions, and the index of each row's prompt among them.
fn distinct(rows: &[Row<'_>]) -> (Vec<Vec<u32>>, Vec<usize>) {
    let mut places = BTreeMap::new();
    let mut distinct = Vec::new();
    let prompt_of = rows
        .iter()
        .map(|row| {
            *places.entry(row.prompt).or_insert_with(|| {
                distinct.push(row.prompt.to_vec());
                distinct.len() - 1
            })
        })
        .collect();
    (distinct, prompt_of)
}

/// The rows with some indices, which are sorted.
fn only<'p>(rows: Vec<Row<'p>>, places: &[usize]) -> Vec<Row<'p>> {
    let rows = rows.into_iter().enumerate();
    rows.filter(|(place, _)| places.binary_search(place).is_ok())
        .map(|(_, row)| row)
        .collect()
}

fn shift(rows: &mut [Row<'_>], columns: isize) {
    for row in rows {
        row.padding = row
            .padding
            .checked_add_signed(columns)
            .expect("no row loses more columns than are padding");
    }
}
