//! Token sequences of different lengths as one rectangle.

use burn::tensor::{DType, Device, Int, Tensor, TensorData};

/// Prompts padded on the left and completions padded on the right, so that every completion begins
/// in the same column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenBatch {
    ids: Vec<u32>,
    left_padding: Vec<usize>,
    completion_lengths: Vec<usize>,
    prompt_time: usize,
    completion_time: usize,
}

/// A token of a completion.
#[derive(Clone, Copy, Debug)]
pub(super) struct Target {
    pub(super) token: i64,
    /// The index in `[batch, time]` of the position that predicts it.
    pub(super) predictor: i64,
    /// Its index in `[batch, completion_time]`.
    pub(super) slot: i64,
}

/// The token of padding. No real token attends to it, so any token would do.
const PADDING: u32 = 0;

impl TokenBatch {
    /// Lays out one row for each prompt and its completion.
    ///
    /// # Panics
    ///
    /// If the numbers of prompts and completions differ, or a prompt is empty.
    pub fn new(prompts: &[Vec<u32>], completions: &[Vec<u32>]) -> Self {
        assert_eq!(
            prompts.len(),
            completions.len(),
            "every prompt has a completion"
        );
        assert!(
            prompts.iter().all(|prompt| !prompt.is_empty()),
            "no prompt is empty"
        );
        let longest = |rows: &[Vec<u32>]| rows.iter().map(Vec::len).max().unwrap_or(0);
        let (prompt_time, completion_time) = (longest(prompts), longest(completions));
        let mut ids = Vec::with_capacity(prompts.len() * (prompt_time + completion_time));
        for (prompt, completion) in prompts.iter().zip(completions) {
            ids.extend(std::iter::repeat_n(PADDING, prompt_time - prompt.len()));
            ids.extend(prompt);
            ids.extend(completion);
            ids.extend(std::iter::repeat_n(
                PADDING,
                completion_time - completion.len(),
            ));
        }
        Self {
            ids,
            left_padding: prompts
                .iter()
                .map(|prompt| prompt_time - prompt.len())
                .collect(),
            completion_lengths: completions.iter().map(Vec::len).collect(),
            prompt_time,
            completion_time,
        }
    }

    /// Lays out prompts alone.
    pub fn of_prompts(prompts: &[Vec<u32>]) -> Self {
        Self::new(prompts, &vec![Vec::new(); prompts.len()])
    }

    /// One more token of each row, after those that a cache holds.
    pub(super) fn of_next(tokens: Vec<u32>, left_padding: Vec<usize>) -> Self {
        Self {
            completion_lengths: vec![0; tokens.len()],
            ids: tokens,
            left_padding,
            prompt_time: 1,
            completion_time: 0,
        }
    }

    /// The number of rows.
    pub fn batch(&self) -> usize {
        self.left_padding.len()
    }

    /// The number of columns.
    pub fn time(&self) -> usize {
        self.prompt_time + self.completion_time
    }

    /// The number of columns before the completions.
    pub fn prompt_time(&self) -> usize {
        self.prompt_time
    }

    /// The number of columns of the completions.
    pub fn completion_time(&self) -> usize {
        self.completion_time
    }

    /// The number of tokens of each completion.
    pub fn completion_lengths(&self) -> &[usize] {
        &self.completion_lengths
    }

    /// The number of padding tokens before each prompt.
    pub fn left_padding(&self) -> &[usize] {
        &self.left_padding
    }

    /// 1 at the tokens of the completions, 0 at their padding.
    ///
    /// # Shapes
    ///
    /// - output: `[batch, completion_time]`
    pub fn completion_mask(&self, device: &Device) -> Tensor<2> {
        let values: Vec<f32> = self
            .completion_lengths
            .iter()
            .flat_map(|length| {
                (0..self.completion_time).map(move |t| if t < *length { 1.0 } else { 0.0 })
            })
            .collect();
        let shape = [self.batch(), self.completion_time];
        Tensor::from_data(TensorData::new(values, shape), (device, DType::F32))
    }

    /// All tokens, row after row.
    pub(super) fn ids(&self, device: &Device) -> Tensor<1, Int> {
        indices(self.ids.iter().map(|id| i64::from(*id)), device)
    }

    /// The position of each token in its own sequence, after `past` columns. Padding before a sequence
    /// has position 0, and padding after it the position of its last token, so that no row seems longer
    /// than it is.
    pub(super) fn positions(&self, past: usize, device: &Device) -> Tensor<1, Int> {
        let rows = self.left_padding.iter().zip(&self.completion_lengths);
        let positions = rows.flat_map(|(padding, length)| {
            let end = past + self.prompt_time + length;
            (past..past + self.time())
                .map(move |column| column.min(end - 1).saturating_sub(*padding) as i64)
        });
        indices(positions, device)
    }

    /// The tokens of all completions, row after row.
    pub(super) fn targets(&self) -> Vec<Target> {
        let mut targets = Vec::new();
        for (row, length) in self.completion_lengths.iter().enumerate() {
            let first = row * self.time() + self.prompt_time;
            targets.extend((0..*length).map(|column| Target {
                token: i64::from(self.ids[first + column]),
                predictor: (first + column) as i64 - 1,
                slot: (row * self.completion_time + column) as i64,
            }));
        }
        targets
    }

    /// The mask that is added to attention scores: 0 if a token sees another one, else minus infinity.
    ///
    /// A token sees itself and the tokens before it in its own sequence. Padding sees itself too, so
    /// that no row of scores is minus infinity throughout. None if every token sees everything.
    ///
    /// # Shapes
    ///
    /// - output: `[batch or 1, 1, time, past + time]`
    pub(super) fn visibility(
        &self,
        past: usize,
        device: &Device,
        dtype: DType,
    ) -> Option<Tensor<4>> {
        let (time, total) = (self.time(), past + self.time());
        let is_padded = self.left_padding.iter().any(|padding| *padding > 0);
        if time == 1 && !is_padded {
            return None;
        }
        let paddings = if is_padded {
            self.left_padding.as_slice()
        } else {
            &[0]
        };
        let mut values = Vec::with_capacity(paddings.len() * time * total);
        for padding in paddings {
            for query in past..total {
                values.extend((0..total).map(|key| {
                    let is_visible = key == query || (*padding..query).contains(&key);
                    if is_visible { 0.0 } else { f32::NEG_INFINITY }
                }));
            }
        }
        let shape = [paddings.len(), 1, time, total];
        Some(Tensor::from_data(
            TensorData::new(values, shape),
            (device, dtype),
        ))
    }
}

/// A tensor of indices.
pub(super) fn indices(values: impl IntoIterator<Item = i64>, device: &Device) -> Tensor<1, Int> {
    let values: Vec<i64> = values.into_iter().collect();
    let shape = [values.len()];
    Tensor::from_data(TensorData::new(values, shape), device)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_count_from_the_first_token_of_a_row_and_end_at_its_last() {
        let batch = TokenBatch::new(&[vec![7, 7], vec![7]], &[vec![7], vec![7, 7, 7]]);

        let positions = batch.positions(0, &Device::flex()).into_data();

        // By hand: two prompt columns, three of completions.
        let expected = [[0, 1, 2, 2, 2], [0, 0, 1, 2, 3]].concat();
        assert_eq!(
            positions.convert::<i64>().try_to_vec::<i64>().unwrap(),
            expected
        );
    }
}
