//! Products of many rows, in tiles that stay in registers.

use std::ops::Range;

use pulp::{Simd, WithSimd};
use rayon::prelude::*;

use super::{lanes::multiply_add, prefetch, processor};

/// Rows of a tile.
const HEIGHT: usize = 6;

/// Vectors of a row of a tile.
const VECTORS: usize = 2;

/// The most of `k` whose weights lie packed at a time: a tile's columns fill most of the first cache.
const DEPTH: usize = 384;

/// The most columns that a thread packs and multiplies at a time.
const SPAN: usize = 512;

/// Rows that are multiplied before the next tile's columns are, as they fit the second cache.
const BAND: usize = 16 * HEIGHT;

/// The widest tile, so that no two threads share one.
const WIDEST: usize = 32;

/// As [`super::product::product`], for many rows.
pub(super) fn tiled(x: &[f32], w: &[f32], k: usize, columns: usize, out: &mut [f32]) {
    let rows = x.len() / k;
    let packed = pack_rows(x, k);
    let share = columns.div_ceil(rayon::current_num_threads());
    let width = share
        .div_ceil(share.div_ceil(SPAN))
        .next_multiple_of(WIDEST);
    let mut spans: Vec<Span<'_>> = (0..columns.div_ceil(width))
        .map(|block| Span {
            x: &packed,
            w,
            k,
            columns,
            first: block * width,
            out: Vec::with_capacity(rows),
        })
        .collect();
    for row in out.chunks_mut(columns) {
        for (span, part) in spans.iter_mut().zip(row.chunks_mut(width)) {
            span.out.push(part);
        }
    }
    spans.into_par_iter().for_each(processor::run);
}

/// Panels of [`HEIGHT`] rows, `k` after `k`; missing rows are zero.
fn pack_rows(x: &[f32], k: usize) -> Vec<f32> {
    let rows = x.len() / k;
    let mut packed = vec![0.0; rows.next_multiple_of(HEIGHT) * k];
    packed
        .par_chunks_mut(HEIGHT * k)
        .zip(x.par_chunks(HEIGHT * k))
        .for_each(|(panel, rows)| {
            for (index, row) in rows.chunks(k).enumerate() {
                for (slot, value) in panel[index..].iter_mut().step_by(HEIGHT).zip(row) {
                    *slot = *value;
                }
            }
        });
    packed
}

/// Some columns of a product.
struct Span<'a> {
    /// As [`pack_rows`] leaves them.
    x: &'a [f32],
    w: &'a [f32],
    k: usize,
    columns: usize,
    first: usize,
    /// The outputs of each row.
    out: Vec<&'a mut [f32]>,
}

impl WithSimd for Span<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(mut self, simd: S) {
        let across = VECTORS * S::F32_LANES;
        let width = self.out[0].len();
        let panels = width.div_ceil(across);
        let zero = simd.splat_f32s(0.0);
        let most = self.k.div_ceil(self.k.div_ceil(DEPTH));
        let mut packed = vec![[zero; VECTORS]; panels * most];
        for start in (0..self.k).step_by(most) {
            let depth = most.min(self.k - start);
            self.pack_weights::<S>(simd, start, depth, &mut packed);
            for band in (0..self.out.len()).step_by(BAND) {
                let end = self.out.len().min(band + BAND);
                for panel in 0..panels {
                    let w = &packed[panel * depth..(panel + 1) * depth];
                    let first = panel * across;
                    let last = width.min(first + across);
                    for row in (band..end).step_by(HEIGHT) {
                        let at = row * self.k + start * HEIGHT;
                        let x = &self.x[at..at + depth * HEIGHT];
                        let rows = row..end.min(row + HEIGHT);
                        // The rows of outputs lie far apart.
                        for row in rows.end..end.min(rows.end + HEIGHT) {
                            prefetch::slice(&self.out[row][first..last]);
                        }
                        tile(simd, x, w, &mut self.out[rows], first..last, start == 0);
                    }
                }
            }
        }
    }
}

impl Span<'_> {
    #[inline(always)]
    fn pack_weights<S: Simd>(
        &self,
        simd: S,
        start: usize,
        depth: usize,
        packed: &mut [[S::f32s; VECTORS]],
    ) {
        let width = self.out[0].len();
        let across = VECTORS * S::F32_LANES;
        for index in 0..depth {
            let at = (start + index) * self.columns + self.first;
            let row = &self.w[at..at + width];
            for panel in 0..width.div_ceil(across) {
                let part = &row[panel * across..width.min((panel + 1) * across)];
                packed[panel * depth + index] = if part.len() == across {
                    let vectors = S::as_simd_f32s(part).0;
                    [vectors[0], vectors[1]]
                } else {
                    partial(simd, part)
                };
            }
        }
    }
}

/// Adds the products of a panel of rows and a panel of columns to a tile of outputs.
#[inline(always)]
fn tile<S: Simd>(
    simd: S,
    x: &[f32],
    w: &[[S::f32s; VECTORS]],
    out: &mut [&mut [f32]],
    columns: Range<usize>,
    is_first: bool,
) {
    let mut sums = [[simd.splat_f32s(0.0); VECTORS]; HEIGHT];
    let is_whole = columns.len() == VECTORS * S::F32_LANES;
    if !is_first {
        for row in 0..out.len().min(HEIGHT) {
            let part = &out[row][columns.clone()];
            sums[row] = if is_whole {
                let vectors = S::as_simd_f32s(part).0;
                [vectors[0], vectors[1]]
            } else {
                partial(simd, part)
            };
        }
    }
    let x = x.as_chunks::<HEIGHT>().0;
    for at in 0..x.len().min(w.len()) {
        let (x, w) = (&x[at], w[at]);
        for row in 0..HEIGHT {
            let factor = simd.splat_f32s(x[row]);
            sums[row][0] = multiply_add(simd, factor, w[0], sums[row][0]);
            sums[row][1] = multiply_add(simd, factor, w[1], sums[row][1]);
        }
    }
    for row in 0..out.len().min(HEIGHT) {
        let part = &mut out[row][columns.clone()];
        if is_whole {
            let vectors = S::as_mut_simd_f32s(part).0;
            vectors[0] = sums[row][0];
            vectors[1] = sums[row][1];
        } else {
            let (low, high) = part.split_at_mut(part.len().min(S::F32_LANES));
            simd.partial_store_f32s(low, sums[row][0]);
            simd.partial_store_f32s(high, sums[row][1]);
        }
    }
}

#[inline(always)]
fn partial<S: Simd>(simd: S, part: &[f32]) -> [S::f32s; VECTORS] {
    let (low, high) = part.split_at(part.len().min(S::F32_LANES));
    [simd.partial_load_f32s(low), simd.partial_load_f32s(high)]
}
