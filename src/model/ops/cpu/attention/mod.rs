//! Attention of a group of query heads to the keys and values that they share.

use std::{array, ops::Range};

use pulp::{Simd, WithSimd};

use super::{
    distribution::softmax,
    dots, fresh,
    lanes::{axpy, multiply_add},
    processor,
    scores::{self, BLOCK},
    team,
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
    let turned = heads.turned();
    let mut tasks: Vec<Task<'_>> = Vec::new();
    for sequence in 0..heads.starts.len() {
        for first in (0..heads.time).step_by(times) {
            tasks.extend((0..heads.kv_heads).map(|head| {
                Task {
                    heads,
                    sequence,
                    head,
                    first,
                    turned: turned
                        .get(sequence * heads.kv_heads + head)
                        .map(Vec::as_slice),
                    out: Vec::with_capacity(times),
                }
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
    /// The keys of all columns, see [`scores::turned`].
    turned: Option<&'a [f32]>,
    /// The outputs of each time, `[group, d]`.
    out: Vec<fresh::Part<'a>>,
}

impl Query<'_> {
    /// The keys of each sequence and head turned over, if that pays.
    fn turned(&self) -> Vec<Vec<f32>> {
        if !scores::is_worth_turning(self.time * self.group, self.d) {
            return Vec::new();
        }
        let columns = self.past + self.time;
        let mut keys = Vec::with_capacity(self.starts.len() * self.kv_heads);
        for sequence in 0..self.starts.len() {
            for head in 0..self.kv_heads {
                keys.push(self.k.rows(sequence, head, 0..columns, self.d));
            }
        }
        scores::turned(&keys, self.d)
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
        let Self { sequence, head, .. } = self;
        let values = self.heads.v.rows(sequence, head, start..end, d);
        let queries = self.queries(out.len());
        // Whole blocks of keys, if these are turned over.
        let columns = match self.turned {
            Some(_) => start / BLOCK * BLOCK..end.next_multiple_of(BLOCK),
            None => start..end,
        };
        let mut scores = vec![0.0; out.len() * group * columns.len()];
        let mut rows: Vec<&mut [f32]> = scores.chunks_mut(columns.len()).collect();
        if let Some(keys) = self.turned {
            let keys = &keys[columns.start * d..columns.end * d];
            scores::fill(simd, &queries, keys, d, &mut rows);
        } else {
            let keys = self.heads.k.rows(sequence, head, columns.clone(), d);
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
            mixtures::<S, 6>(simd, &rows, values, &mut out);
        } else {
            mixtures::<S, 2>(simd, &rows, values, &mut out);
        }
    }
}

impl Task<'_> {
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
            queries.extend(q[at..at + group * d].iter().map(|value| value * scale));
        }
        queries
    }
}

/// The mixtures of the rows of `values`, `R` mixtures at a time, also of different times.
///
/// A mixture may have fewer weights than there are values, and no fewer than the one before it.
#[inline(always)]
fn mixtures<S: Simd, const R: usize>(
    simd: S,
    weights: &[&mut [f32]],
    values: &[f32],
    out: &mut [&mut [f32]],
) {
    for (weights, out) in weights.chunks(R).zip(out.chunks_mut(R)) {
        if let (Some(weights), Some(out)) = (weights.as_array(), out.as_mut_array()) {
            mix::<S, R>(simd, weights, values, out);
        } else if R > 2 {
            mixtures::<S, 2>(simd, weights, values, out);
        } else if let ([weights], [out]) = (weights, out) {
            mix::<S, 1>(simd, array::from_ref(weights), values, array::from_mut(out));
        }
    }
}

#[inline(always)]
fn mix<S: Simd, const R: usize>(
    simd: S,
    weights: &[&mut [f32]; R],
    values: &[f32],
    out: &mut [&mut [f32]; R],
) {
    let d = out[0].len();
    // The first has the fewest.
    let shared = weights[0].len();
    let across = VECTORS * S::F32_LANES;
    let whole = d / across * across;
    for at in (0..whole).step_by(across) {
        let mut sums = [[simd.splat_f32s(0.0); VECTORS]; R];
        let mut factors: [&[f32]; R] = [&[]; R];
        for row in 0..R {
            factors[row] = &weights[row][..shared];
        }
        for (i, value) in (0..shared).zip(values.chunks_exact(d)) {
            let value = load::<S>(&value[at..at + across]);
            for row in 0..R {
                let factor = simd.splat_f32s(factors[row][i]);
                for vector in 0..VECTORS {
                    sums[row][vector] =
                        multiply_add(simd, factor, value[vector], sums[row][vector]);
                }
            }
        }
        for row in 0..R {
            for (i, factor) in weights[row].iter().enumerate().skip(shared) {
                let value = load::<S>(&values[i * d + at..i * d + at + across]);
                let factor = simd.splat_f32s(*factor);
                for vector in 0..VECTORS {
                    sums[row][vector] =
                        multiply_add(simd, factor, value[vector], sums[row][vector]);
                }
            }
            S::as_mut_simd_f32s(&mut out[row][at..at + across])
                .0
                .copy_from_slice(&sums[row]);
        }
    }
    if whole < d {
        for row in 0..R {
            for (factor, value) in weights[row].iter().zip(values.chunks_exact(d)) {
                axpy(simd, &mut out[row][whole..], [*factor], [&value[whole..]]);
            }
        }
    }
}

#[inline(always)]
fn load<S: Simd>(part: &[f32]) -> [S::f32s; VECTORS] {
    let mut vectors = [S::as_simd_f32s(part).0[0]; VECTORS];
    vectors.copy_from_slice(&S::as_simd_f32s(part).0[..VECTORS]);
    vectors
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::kernel::sample::{distance, numbers};

    const KV_HEADS: usize = 2;
    const GROUP: usize = 3;
    /// No multiple of a vector, and one: keys are turned over, if there are many queries.
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
        attention(&Query {
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

    /// The mixture for one query head, in plain loops; zero before its sequence starts.
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
    fn mixtures_are_those_of_64_bits() {
        // A prompt with padding, a part behind a cache, single tokens.
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
            assert!(distance(&found, &expected) < 1e-6, "{d} {past} {time}");
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
