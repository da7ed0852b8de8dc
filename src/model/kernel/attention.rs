//! Attention of a group of query heads to the keys and values that they share.

use pulp::{Simd, WithSimd};

use super::{
    distribution::softmax,
    dots, fresh,
    lanes::{axpy, multiply_add},
    processor, team,
};

/// Query rows of a task.
const ROWS: usize = 48;

/// Vectors of a row of values that stay in registers.
const VECTORS: usize = 4;

/// Multiply-adds below which threads cost more than they bring.
const WORTH_A_THREAD: usize = 1 << 17;

/// What attention is computed of.
///
/// A row sees the keys from `starts` of its sequence to its own column, and no digit of it depends
/// on what lies beside.
#[derive(Clone, Copy, Debug)]
pub(super) struct Query<'a> {
    /// `[batch, time, kv_heads · group, d]`
    pub(super) q: &'a [f32],
    pub(super) k: Cached<'a>,
    pub(super) v: Cached<'a>,
    /// The first real column of each sequence.
    pub(super) starts: &'a [usize],
    pub(super) kv_heads: usize,
    pub(super) group: usize,
    pub(super) d: usize,
    pub(super) time: usize,
    /// Columns before the first query.
    pub(super) past: usize,
    /// Multiplies the queries.
    pub(super) scale: f32,
}

/// Keys or values, `[batch, kv_heads, time, d]`, with the rows of a head one after the other.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cached<'a> {
    pub(super) data: &'a [f32],
    /// The distance of neighbouring sequences.
    pub(super) sequence: usize,
    /// The distance of neighbouring heads.
    pub(super) head: usize,
}

/// The mixtures of values, `[batch, time, kv_heads · group, d]`.
pub(super) fn attention(heads: &Query<'_>) -> Vec<f32> {
    fresh::numbers(heads.q.len(), |out| each(heads, out))
}

fn each(heads: &Query<'_>, out: fresh::Part<'_>) {
    let (width, times) = (heads.group * heads.d, (ROWS / heads.group).max(1));
    let mut tasks: Vec<Task<'_>> = Vec::new();
    for sequence in 0..heads.starts.len() {
        for first in (0..heads.time).step_by(times) {
            tasks.extend((0..heads.kv_heads).map(|head| Task {
                heads,
                sequence,
                head,
                first,
                out: Vec::with_capacity(times),
            }));
        }
    }
    let per_sequence = heads.time.div_ceil(times);
    for (index, part) in out.chunks(width).enumerate() {
        let (token, head) = (index / heads.kv_heads, index % heads.kv_heads);
        let (sequence, time) = (token / heads.time, token % heads.time);
        let block = sequence * per_sequence + time / times;
        tasks[block * heads.kv_heads + head].out.push(part);
    }
    if heads.q.len() * (heads.past + heads.time) < WORTH_A_THREAD {
        for one in tasks {
            processor::run(one);
        }
    } else {
        team::each(tasks, processor::run);
    }
}

/// A group of heads at some times of a sequence.
struct Task<'a> {
    heads: &'a Query<'a>,
    sequence: usize,
    head: usize,
    /// The first time.
    first: usize,
    /// The outputs of each time, `[group, d]`.
    out: Vec<fresh::Part<'a>>,
}

impl WithSimd for Task<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(mut self, simd: S) {
        let Query {
            starts,
            group,
            d,
            past,
            ..
        } = *self.heads;
        let parts = std::mem::take(&mut self.out);
        let out: Vec<&mut [f32]> = parts.into_iter().map(fresh::Part::zeroed).collect();
        let start = starts[self.sequence];
        let end = past + self.first + out.len();
        if end <= start {
            return;
        }
        let keys = self.rows(self.heads.k, start..end);
        let values = self.rows(self.heads.v, start..end);
        let queries = self.queries(out.len());
        let mut scores = vec![0.0; out.len() * group * (end - start)];
        let mut rows: Vec<&mut [f32]> = scores.chunks_mut(end - start).collect();
        dots::fill(simd, &queries, keys, d, &mut rows);
        for (time, out) in out.into_iter().enumerate() {
            let column = past + self.first + time;
            if column < start {
                continue;
            }
            let rows = &mut rows[time * group..(time + 1) * group];
            for row in &mut *rows {
                softmax(simd, &mut row[..=column - start]);
            }
            let values = &values[..(column - start + 1) * d];
            if processor::is_wide::<S>() {
                mixtures::<S, 4>(simd, rows, values, out);
            } else {
                mixtures::<S, 2>(simd, rows, values, out);
            }
        }
    }
}

impl<'a> Task<'a> {
    #[inline(always)]
    fn rows(&self, cached: Cached<'a>, columns: std::ops::Range<usize>) -> &'a [f32] {
        let first = self.sequence * cached.sequence + self.head * cached.head;
        let d = self.heads.d;
        &cached.data[first + columns.start * d..first + columns.end * d]
    }

    #[inline(always)]
    fn queries(&self, times: usize) -> Vec<f32> {
        let Query {
            q,
            group,
            d,
            time,
            kv_heads,
            scale,
            ..
        } = *self.heads;
        let mut queries = Vec::with_capacity(times * group * d);
        for index in 0..times {
            let token = self.sequence * time + self.first + index;
            let at = (token * kv_heads + self.head) * group * d;
            for value in &q[at..at + group * d] {
                queries.push(value * scale);
            }
        }
        queries
    }
}

/// The mixtures of the rows of `values`, one after the other, `R` mixtures at a time.
///
/// `weights` may be longer than `values` has rows.
#[inline(always)]
fn mixtures<S: Simd, const R: usize>(
    simd: S,
    weights: &[&mut [f32]],
    values: &[f32],
    out: &mut [f32],
) {
    let d = out.len() / weights.len();
    for (weights, out) in weights.chunks(R).zip(out.chunks_mut(R * d)) {
        if weights.len() == R {
            mix::<S, R>(simd, weights, values, out);
        } else {
            for (weights, out) in weights.chunks(1).zip(out.chunks_mut(d)) {
                mix::<S, 1>(simd, weights, values, out);
            }
        }
    }
}

#[inline(always)]
fn mix<S: Simd, const R: usize>(simd: S, weights: &[&mut [f32]], values: &[f32], out: &mut [f32]) {
    let d = out.len() / R;
    let count = values.len() / d;
    let mut factors: [&[f32]; R] = [&[]; R];
    for row in 0..R {
        factors[row] = &weights[row][..count];
    }
    let across = VECTORS * S::F32_LANES;
    let whole = d / across * across;
    let mut at = 0;
    while at < whole {
        let mut sums = [[simd.splat_f32s(0.0); VECTORS]; R];
        for i in 0..count {
            let part = S::as_simd_f32s(&values[i * d + at..i * d + at + across]).0;
            for row in 0..R {
                let factor = simd.splat_f32s(factors[row][i]);
                for vector in 0..VECTORS {
                    sums[row][vector] = multiply_add(simd, factor, part[vector], sums[row][vector]);
                }
            }
        }
        for row in 0..R {
            S::as_mut_simd_f32s(&mut out[row * d + at..row * d + at + across])
                .0
                .copy_from_slice(&sums[row]);
        }
        at += across;
    }
    if whole < d {
        for row in 0..R {
            for i in 0..count {
                axpy(
                    simd,
                    &mut out[row * d + whole..(row + 1) * d],
                    [factors[row][i]],
                    [&values[i * d + whole..(i + 1) * d]],
                );
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::kernel::sample::{distance, numbers};

    const KV_HEADS: usize = 2;
    const GROUP: usize = 3;
    const D: usize = 10;

    struct Case {
        starts: Vec<usize>,
        past: usize,
        time: usize,
        q: Vec<f32>,
        k: Vec<f32>,
        v: Vec<f32>,
    }

    fn case(starts: &[usize], past: usize, time: usize) -> Case {
        let (sequences, total) = (starts.len(), past + time);
        Case {
            starts: starts.to_vec(),
            past,
            time,
            q: numbers(1, sequences * time * KV_HEADS * GROUP * D),
            k: numbers(2, sequences * KV_HEADS * total * D),
            v: numbers(3, sequences * KV_HEADS * total * D),
        }
    }

    fn run(case: &Case) -> Vec<f32> {
        let total = case.past + case.time;
        let cached = |data| Cached {
            data,
            sequence: KV_HEADS * total * D,
            head: total * D,
        };
        attention(&Query {
            q: &case.q,
            k: cached(&case.k),
            v: cached(&case.v),
            starts: &case.starts,
            kv_heads: KV_HEADS,
            group: GROUP,
            d: D,
            time: case.time,
            past: case.past,
            scale: 0.7,
        })
    }

    /// The mixture for one query head, in plain loops; zero before its sequence starts.
    fn exact(case: &Case, sequence: usize, time: usize, head: usize) -> Vec<f64> {
        let heads = KV_HEADS * GROUP;
        let row = |data: &[f32], column: usize| -> Vec<f64> {
            let at = (sequence * KV_HEADS + head / GROUP) * (case.past + case.time) + column;
            data[at * D..(at + 1) * D]
                .iter()
                .map(|x| f64::from(*x))
                .collect()
        };
        let at = ((sequence * case.time + time) * heads + head) * D;
        let query: Vec<f64> = case.q[at..at + D].iter().map(|x| f64::from(*x)).collect();
        let columns = case.starts[sequence]..=case.past + time;
        let dot = |key: Vec<f64>| query.iter().zip(key).map(|(q, k)| q * k).sum::<f64>();
        let weights: Vec<f64> = columns
            .clone()
            .map(|column| (0.7 * dot(row(&case.k, column))).exp())
            .collect();
        let sum: f64 = weights.iter().sum();
        let mut out = vec![0.0; D];
        for (column, weight) in columns.zip(weights) {
            for (out, value) in out.iter_mut().zip(row(&case.v, column)) {
                *out += weight / sum * value;
            }
        }
        out
    }

    #[test]
    fn mixtures_are_those_of_64_bits() {
        // A prompt with padding, a part behind a cache, single tokens.
        for (starts, past, time) in [
            (vec![0, 4], 0, 37),
            (vec![3, 0, 5], 6, 4),
            (vec![0, 19], 20, 1),
        ] {
            let case = case(&starts, past, time);

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
            assert!(distance(&found, &expected) < 1e-6, "{past} {time}");
        }
    }

    #[test]
    fn one_token_at_a_time_gives_the_bits_of_the_whole() {
        let whole = case(&[2], 0, 40);
        let width = KV_HEADS * GROUP * D;
        let together = run(&whole);

        for time in 2..40 {
            let part = |data: &[f32]| -> Vec<f32> {
                let heads = data.chunks(40 * D);
                heads
                    .flat_map(|head| head[..(time + 1) * D].to_vec())
                    .collect()
            };
            let alone = run(&Case {
                starts: vec![2],
                past: time,
                time: 1,
                q: whole.q[time * width..(time + 1) * width].to_vec(),
                k: part(&whole.k),
                v: part(&whole.v),
            });
            assert_eq!(alone, together[time * width..(time + 1) * width]);
        }
    }
}
