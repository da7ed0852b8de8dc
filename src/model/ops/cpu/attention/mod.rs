//! Attention of a group of query heads to the keys and values that they share.

mod scores;
mod weighted_sums;

use std::ops::Range;

use pulp::{Simd, WithSimd};

use crate::model::ops::cpu::{
    product::dots,
    row::distribution::softmax,
    simd::processor,
    threads::{WORTH_A_THREAD, fresh, team},
};

use scores::BLOCK;
use weighted_sums::weighted_sums;

/// Query rows of a task.
const ROWS: usize = 48;

/// Queries, keys and values.
///
/// A query sees the keys from the start of its sequence to its own column, and no digit of its
/// output depends on the other sequences.
#[derive(Clone, Copy, Debug)]
pub(in crate::model::ops::cpu) struct AttentionInputs<'a> {
    /// `[batch, time, kv_heads · group, d]`
    pub(in crate::model::ops::cpu) q: &'a [f32],
    pub(in crate::model::ops::cpu) k: Cached<'a>,
    pub(in crate::model::ops::cpu) v: Cached<'a>,
    /// The first real column of each sequence.
    pub(in crate::model::ops::cpu) starts: &'a [usize],
    pub(in crate::model::ops::cpu) kv_heads: usize,
    /// Query heads that share a key head.
    pub(in crate::model::ops::cpu) group: usize,
    pub(in crate::model::ops::cpu) d: usize,
    pub(in crate::model::ops::cpu) time: usize,
    /// Columns before those of the first query.
    pub(in crate::model::ops::cpu) past: usize,
    /// The factor of the queries.
    pub(in crate::model::ops::cpu) scale: f32,
}

/// Keys or values, `[batch, kv_heads, time, d]`. The rows of a head are contiguous.
#[derive(Clone, Copy, Debug)]
pub(in crate::model::ops::cpu) struct Cached<'a> {
    pub(in crate::model::ops::cpu) data: &'a [f32],
    /// Numbers from one sequence to the next.
    pub(in crate::model::ops::cpu) sequence: usize,
    /// Numbers from one head to the next.
    pub(in crate::model::ops::cpu) head: usize,
}

/// The weighted sums of the values, `[batch, time, kv_heads · group, d]`.
pub(in crate::model::ops::cpu) fn attention(inputs: &AttentionInputs<'_>) -> Vec<f32> {
    fresh::numbers(inputs.q.len(), |out| each(inputs, out))
}

fn each(inputs: &AttentionInputs<'_>, out: fresh::Part<'_>) {
    let (width, times) = (inputs.group * inputs.d, (ROWS / inputs.group).max(1));
    let transposed = inputs.transposed_keys();
    let mut tasks: Vec<Task<'_>> = Vec::new();
    for sequence in 0..inputs.starts.len() {
        for first in (0..inputs.time).step_by(times) {
            tasks.extend((0..inputs.kv_heads).map(|head| {
                Task {
                    inputs,
                    sequence,
                    head,
                    first,
                    transposed: transposed
                        .get(sequence * inputs.kv_heads + head)
                        .map(Vec::as_slice),
                    out: Vec::with_capacity(times),
                }
            }));
        }
    }
    let per_sequence = inputs.time.div_ceil(times);
    for (index, part) in out.chunks(width).enumerate() {
        let (token, head) = (index / inputs.kv_heads, index % inputs.kv_heads);
        let (sequence, time) = (token / inputs.time, token % inputs.time);
        let block = sequence * per_sequence + time / times;
        tasks[block * inputs.kv_heads + head].out.push(part);
    }
    if inputs.q.len() * (inputs.past + inputs.time) < WORTH_A_THREAD {
        for one in tasks {
            processor::run(one);
        }
    } else {
        team::each(tasks, processor::run);
    }
}

/// The heads of a group at some times of a sequence.
struct Task<'a> {
    inputs: &'a AttentionInputs<'a>,
    sequence: usize,
    head: usize,
    /// The first time.
    first: usize,
    /// The keys of all columns, see [`scores::transposed`].
    transposed: Option<&'a [f32]>,
    /// The outputs of each time, `[group, d]`.
    out: Vec<fresh::Part<'a>>,
}

impl AttentionInputs<'_> {
    /// The transposed keys of each sequence and head; empty if transposing them would not be
    /// faster.
    fn transposed_keys(&self) -> Vec<Vec<f32>> {
        if !scores::is_worth_transposing(self.time * self.group, self.d) {
            return Vec::new();
        }
        let columns = self.past + self.time;
        let mut keys = Vec::with_capacity(self.starts.len() * self.kv_heads);
        for sequence in 0..self.starts.len() {
            for head in 0..self.kv_heads {
                keys.push(self.k.rows(sequence, head, 0..columns, self.d));
            }
        }
        scores::transposed(&keys, self.d)
    }
}

impl<'a> Cached<'a> {
    /// Some columns of a head.
    #[inline(always)]
    fn rows(self, sequence: usize, head: usize, columns: Range<usize>, d: usize) -> &'a [f32] {
        let first = sequence * self.sequence + head * self.head;
        &self.data[first + columns.start * d..first + columns.end * d]
    }
}

impl WithSimd for Task<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(mut self, simd: S) {
        let AttentionInputs {
            starts,
            group,
            d,
            past,
            ..
        } = *self.inputs;
        let parts = std::mem::take(&mut self.out);
        let out: Vec<&mut [f32]> = parts.into_iter().map(fresh::Part::zeroed).collect();
        let start = starts[self.sequence];
        let end = past + self.first + out.len();
        if end <= start {
            return;
        }
        let Self { sequence, head, .. } = self;
        let values = self.inputs.v.rows(sequence, head, start..end, d);
        let queries = self.queries(out.len());
        // Whole blocks of keys, if they are transposed.
        let columns = match self.transposed {
            Some(_) => start / BLOCK * BLOCK..end.next_multiple_of(BLOCK),
            None => start..end,
        };
        let mut scores = vec![0.0; out.len() * group * columns.len()];
        let mut rows: Vec<&mut [f32]> = scores.chunks_mut(columns.len()).collect();
        if let Some(keys) = self.transposed {
            let keys = &keys[columns.start * d..columns.end * d];
            scores::fill(simd, &queries, keys, d, &mut rows);
        } else {
            let keys = self.inputs.k.rows(sequence, head, columns.clone(), d);
            dots::fill(simd, &queries, keys, d, &mut rows);
        }
        for (index, row) in rows.iter_mut().enumerate() {
            let column = past + self.first + index / group;
            let weights = std::mem::take(row);
            *row = &mut weights[start - columns.start..][..(column + 1).saturating_sub(start)];
            softmax(simd, row);
        }
        let mut out: Vec<&mut [f32]> = out.into_iter().flat_map(|out| out.chunks_mut(d)).collect();
        if processor::is_wide::<S>() {
            weighted_sums::<S, 6>(simd, &rows, values, &mut out);
        } else {
            weighted_sums::<S, 2>(simd, &rows, values, &mut out);
        }
    }
}

impl Task<'_> {
    #[inline(always)]
    fn queries(&self, times: usize) -> Vec<f32> {
        let AttentionInputs {
            q,
            group,
            d,
            time,
            kv_heads,
            scale,
            ..
        } = *self.inputs;
        let mut queries = Vec::with_capacity(times * group * d);
        for index in 0..times {
            let token = self.sequence * time + self.first + index;
            let at = (token * kv_heads + self.head) * group * d;
            queries.extend(q[at..at + group * d].iter().map(|value| value * scale));
        }
        queries
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::ops::tests::fixture::{distance_to_exact, numbers};

    const KV_HEADS: usize = 2;
    const GROUP: usize = 3;
    /// One is no multiple of a vector. With the other, the keys of many queries are transposed.
    const WIDTHS: [usize; 2] = [10, 16];

    struct Case {
        d: usize,
        starts: Vec<usize>,
        past: usize,
        time: usize,
        q: Vec<f32>,
        k: Vec<f32>,
        v: Vec<f32>,
    }

    fn case(d: usize, starts: &[usize], past: usize, time: usize) -> Case {
        let (sequences, total) = (starts.len(), past + time);
        Case {
            d,
            starts: starts.to_vec(),
            past,
            time,
            q: numbers(1, sequences * time * KV_HEADS * GROUP * d),
            k: numbers(2, sequences * KV_HEADS * total * d),
            v: numbers(3, sequences * KV_HEADS * total * d),
        }
    }

    fn run(case: &Case) -> Vec<f32> {
        let total = case.past + case.time;
        let cached = |data| Cached {
            data,
            sequence: KV_HEADS * total * case.d,
            head: total * case.d,
        };
        attention(&AttentionInputs {
            q: &case.q,
            k: cached(&case.k),
            v: cached(&case.v),
            starts: &case.starts,
            kv_heads: KV_HEADS,
            group: GROUP,
            d: case.d,
            time: case.time,
            past: case.past,
            scale: 0.7,
        })
    }

    /// The output of one query head, in plain loops; zero before its sequence starts.
    fn exact(case: &Case, sequence: usize, time: usize, head: usize) -> Vec<f64> {
        let (heads, d) = (KV_HEADS * GROUP, case.d);
        let row = |data: &[f32], column: usize| -> Vec<f64> {
            let at = (sequence * KV_HEADS + head / GROUP) * (case.past + case.time) + column;
            data[at * d..(at + 1) * d]
                .iter()
                .map(|x| f64::from(*x))
                .collect()
        };
        let at = ((sequence * case.time + time) * heads + head) * d;
        let query: Vec<f64> = case.q[at..at + d].iter().map(|x| f64::from(*x)).collect();
        let columns = case.starts[sequence]..=case.past + time;
        let dot = |key: Vec<f64>| query.iter().zip(key).map(|(q, k)| q * k).sum::<f64>();
        let weights: Vec<f64> = columns
            .clone()
            .map(|column| (0.7 * dot(row(&case.k, column))).exp())
            .collect();
        let sum: f64 = weights.iter().sum();
        let mut out = vec![0.0; d];
        for (column, weight) in columns.zip(weights) {
            for (out, value) in out.iter_mut().zip(row(&case.v, column)) {
                *out += weight / sum * value;
            }
        }
        out
    }

    #[test]
    fn weighted_sums_are_those_of_64_bits() {
        // A prompt with padding, tokens after a cache, single tokens.
        let passes = [
            (vec![0, 4], 0, 37),
            (vec![3, 0, 50], 36, 45),
            (vec![3, 0, 5], 6, 4),
            (vec![0, 19], 20, 1),
        ];
        let passes = WIDTHS.map(|d| passes.clone().map(|pass| (d, pass)));
        for (d, (starts, past, time)) in passes.into_iter().flatten() {
            let case = case(d, &starts, past, time);

            let found = run(&case);

            let mut expected = Vec::new();
            for sequence in 0..starts.len() {
                for time in 0..time {
                    for head in 0..KV_HEADS * GROUP {
                        expected.extend(exact(&case, sequence, time, head));
                    }
                }
            }
            // 1e-6: sums of weights, which are together one, of numbers within one.
            assert!(
                distance_to_exact(&found, &expected) < 1e-6,
                "{d} {past} {time}"
            );
        }
    }

    #[test]
    fn one_token_at_a_time_gives_the_bits_of_the_whole() {
        for d in WIDTHS {
            let whole = case(d, &[2], 0, 40);
            let width = KV_HEADS * GROUP * d;
            let together = run(&whole);

            for time in 2..40 {
                let part = |data: &[f32]| -> Vec<f32> {
                    let heads = data.chunks(40 * d);
                    heads
                        .flat_map(|head| head[..(time + 1) * d].to_vec())
                        .collect()
                };
                let alone = run(&Case {
                    d,
                    starts: vec![2],
                    past: time,
                    time: 1,
                    q: whole.q[time * width..(time + 1) * width].to_vec(),
                    k: part(&whole.k),
                    v: part(&whole.v),
                });
                assert_eq!(alone, together[time * width..(time + 1) * width], "{d}");
            }
        }
    }
}
