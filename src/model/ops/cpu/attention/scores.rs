//! Attention scores of many queries, with keys in the lanes of vectors.
//!
//! [`dots`](crate::model::ops::cpu::product::dots) sums an element in as many chains as a vector
//! has lanes, and adds up the lanes of one vector, which takes longer than the sums of a short key.
//! Here each chain has a vector to itself, with a key in each lane, and the vectors are added in
//! the same order. So the bits are the same.

use pulp::Simd;

use crate::model::ops::cpu::{
    simd::{lanes::multiply_add, processor},
    threads::{fresh, team},
};

/// Vectors of keys that are multiplied at a time.
const VECTORS: usize = 2;

/// Queries that are multiplied at a time, so that all sums stay in registers.
const QUERIES: usize = 3;

/// Lanes of a wide vector.
const LANES: usize = 16;

/// Keys of a block.
pub(super) const BLOCK: usize = VECTORS * LANES;

/// Keys of a task.
const SHARE: usize = 128;

/// Whether to transpose the keys for so many queries of `d` numbers.
pub(super) fn is_worth_transposing(queries: usize, d: usize) -> bool {
    /// With fewer queries, transposing the keys takes longer than it saves.
    const LEAST: usize = 64;
    queries >= LEAST && d.is_multiple_of(LANES) && processor::has_wide_vectors()
}

/// Transposes blocks of keys: the first number of each key of a block, then the second ones.
///
/// The last block is padded with keys of zeros.
///
/// # Shapes
///
/// - `keys`: of each head `[time, d]`
/// - output: of each head `[time / block, d, block]`
pub(super) fn transposed(keys: &[&[f32]], d: usize) -> Vec<Vec<f32>> {
    keys.iter()
        .map(|keys| {
            let blocks = keys.len().div_ceil(BLOCK * d);
            fresh::numbers(blocks * BLOCK * d, |out| {
                let parts = out.chunks(SHARE * d).zip(keys.chunks(SHARE * d)).collect();
                team::each(parts, |(out, keys): (fresh::Part<'_>, _)| {
                    transpose(keys, d, out.zeroed());
                });
            })
        })
        .collect()
}

fn transpose(keys: &[f32], d: usize, out: &mut [f32]) {
    for (keys, out) in keys.chunks(BLOCK * d).zip(out.chunks_mut(BLOCK * d)) {
        for (index, key) in keys.chunks(d).enumerate() {
            for (numbers, number) in out.chunks_exact_mut(BLOCK).zip(key) {
                numbers[index] = *number;
            }
        }
    }
}

/// Fills `out` with the products of queries with the keys of whole blocks.
///
/// # Shapes
///
/// - `queries`: `[rows, d]`
/// - `keys`: as [`transposed`] returns them
/// - `out`: `[rows]` of `[time]`, whole blocks
#[inline(always)]
pub(super) fn fill<S: Simd>(
    simd: S,
    queries: &[f32],
    keys: &[f32],
    d: usize,
    out: &mut [&mut [f32]],
) {
    let blocks = keys.chunks_exact(BLOCK * d);
    for (index, keys) in blocks.enumerate() {
        let keys = S::as_simd_f32s(keys).0.as_chunks::<VECTORS>().0;
        let at = index * BLOCK..(index + 1) * BLOCK;
        let queries = queries.chunks(QUERIES * d).zip(out.chunks_mut(QUERIES));
        for (queries, out) in queries {
            if let Some(out) = out.as_mut_array::<QUERIES>() {
                let mut rows: [&[f32]; QUERIES] = [&[]; QUERIES];
                for row in 0..QUERIES {
                    rows[row] = &queries[row * d..(row + 1) * d];
                }
                let sums = Chains { rows, keys }.joined(simd);
                for row in 0..QUERIES {
                    S::as_mut_simd_f32s(&mut out[row][at.clone()])
                        .0
                        .copy_from_slice(&sums[row]);
                }
            } else {
                for (query, out) in queries.chunks(d).zip(out) {
                    let rows = [query];
                    let [sums] = Chains { rows, keys }.joined(simd);
                    S::as_mut_simd_f32s(&mut out[at.clone()])
                        .0
                        .copy_from_slice(&sums);
                }
            }
        }
    }
}

/// The sums of some queries with a block of keys.
type Sums<S, const R: usize> = [[<S as Simd>::f32s; VECTORS]; R];

struct Chains<'a, S: Simd, const R: usize> {
    rows: [&'a [f32]; R],
    keys: &'a [[S::f32s; VECTORS]],
}

impl<S: Simd, const R: usize> Chains<'_, S, R> {
    /// The chains of all lanes, added up in the order of the lanes of a vector.
    #[inline(always)]
    fn joined(&self, simd: S) -> Sums<S, R> {
        add(simd, self.eight(simd, 0), self.eight(simd, 1))
    }

    #[inline(always)]
    fn eight(&self, simd: S, lane: usize) -> Sums<S, R> {
        add(simd, self.four(simd, lane), self.four(simd, lane + 2))
    }

    #[inline(always)]
    fn four(&self, simd: S, lane: usize) -> Sums<S, R> {
        add(simd, self.two(simd, lane), self.two(simd, lane + 4))
    }

    /// Two chains at once: the multiply-adds of one alone would wait for each other.
    #[inline(always)]
    fn two(&self, simd: S, lane: usize) -> Sums<S, R> {
        const HALF: usize = LANES / 2;
        let mut sums = [[[simd.splat_f32s(0.0); VECTORS]; R]; 2];
        for first in (0..self.keys.len()).step_by(LANES) {
            for half in 0..2 {
                let at = first + lane + half * HALF;
                let keys = self.keys[at];
                for row in 0..R {
                    let factor = simd.splat_f32s(self.rows[row][at]);
                    for vector in 0..VECTORS {
                        let sum = &mut sums[half][row][vector];
                        *sum = multiply_add(simd, factor, keys[vector], *sum);
                    }
                }
            }
        }
        add(simd, sums[0], sums[1])
    }
}

#[inline(always)]
fn add<S: Simd, const R: usize>(simd: S, mut a: Sums<S, R>, b: Sums<S, R>) -> Sums<S, R> {
    for row in 0..R {
        for vector in 0..VECTORS {
            a[row][vector] = simd.add_f32s(a[row][vector], b[row][vector]);
        }
    }
    a
}

#[cfg(test)]
mod tests {
    use pulp::WithSimd;

    use super::*;
    use crate::model::ops::{cpu::product::dots, tests::fixture::numbers};

    struct Fill<'a> {
        queries: &'a [f32],
        keys: &'a [f32],
        d: usize,
        out: Vec<&'a mut [f32]>,
    }

    impl WithSimd for Fill<'_> {
        type Output = ();

        #[inline(always)]
        fn with_simd<S: Simd>(mut self, simd: S) {
            fill(simd, self.queries, self.keys, self.d, &mut self.out);
        }
    }

    #[test]
    fn scores_have_the_bits_of_plain_products() {
        for [rows, d, time] in [[64, 16, 1], [70, 64, 300], [200, 128, 65]] {
            if !is_worth_transposing(rows, d) {
                // This processor has narrow vectors, and computes scores as plain products.
                return;
            }
            let (queries, keys) = (numbers(1, rows * d), numbers(2, time * d));
            let width = time.next_multiple_of(BLOCK);
            let mut scores = vec![0.0; rows * width];

            processor::run(Fill {
                queries: &queries,
                keys: &transposed(&[&keys], d)[0],
                d,
                out: scores.chunks_mut(width).collect(),
            });

            let expected = dots::dots(&queries, &keys, d);
            for (scores, expected) in scores.chunks(width).zip(expected.chunks(time)) {
                assert_eq!(scores[..time], *expected, "{rows} {d} {time}");
            }
        }
    }
}
