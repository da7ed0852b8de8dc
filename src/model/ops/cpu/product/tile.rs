//! Products of many rows, in tiles that stay in registers.

use std::{cell::Cell, ops::Range};

use pulp::{Simd, WithSimd, bytemuck};

use crate::model::ops::cpu::{
    simd::{lanes::multiply_add, prefetch, processor},
    threads::{fresh, team},
};

use super::{
    packed::{Form, HEIGHT, Packed, VECTORS, WIDE_HEIGHT, WIDEST},
    sink::{Rows, Sink, Squares, Tile, partial},
};

/// The most columns that a thread packs and multiplies at a time.
const SPAN: usize = 512;

/// As [`SPAN`], with wide vectors: the packed weights take a third of the second-level cache, which
/// is larger on these processors.
const WIDE_SPAN: usize = 192;

/// Panels that a column of tiles is computed for before the next column: their rows fit the
/// second-level cache.
const BAND: usize = 16;

/// Rows of `w` between the one that is prefetched and the one that is packed.
const AHEAD: usize = 8;

/// Steps of `k` between the rows that are prefetched and those that are multiplied.
const SOON: usize = 32;

/// As [`SOON`], for packed weights.
const NEXT: usize = 16;

thread_local! {
    /// Packed weights and sums. A span overwrites those of the span before it.
    static SCRATCH: Cell<Vec<f32>> = const { Cell::new(Vec::new()) };
}

/// A matrix `[k, columns]`, row after row, and what is added to each column of the product.
#[derive(Clone, Copy, Debug)]
pub(in crate::model::ops::cpu) struct Weights<'a> {
    pub(in crate::model::ops::cpu) w: &'a [f32],
    pub(in crate::model::ops::cpu) columns: usize,
    pub(in crate::model::ops::cpu) bias: Option<&'a [f32]>,
}

/// The products of the same rows with several matrices.
pub(in crate::model::ops::cpu) fn products<const N: usize>(
    x: &Packed,
    weights: [Weights<'_>; N],
) -> [Vec<f32>; N] {
    let counts = weights.map(|weights| x.rows * weights.columns);
    fresh::several(counts, |outs| {
        let mut spans = Vec::new();
        for (weights, out) in weights.into_iter().zip(outs) {
            let edges = edges(weights.columns, 1);
            let first = spans.len();
            spans.extend(edges.windows(2).map(|edges| Span {
                x,
                w: [weights.w],
                columns: weights.columns,
                range: edges[0]..edges[1],
                out: Rows {
                    rows: Vec::with_capacity(x.rows),
                    bias: weights.bias.map(|bias| &bias[edges[0]..edges[1]]),
                },
            }));
            for mut row in out.chunks(weights.columns) {
                for span in &mut spans[first..] {
                    let (part, rest) = row.split_at(span.range.len());
                    span.out.rows.push(part);
                    row = rest;
                }
            }
        }
        team::each(spans, processor::run);
    })
}

/// `silu(x · gate) · (x · up)`, packed as rows of the next product.
pub(in crate::model::ops::cpu) fn gated(
    x: &Packed,
    gate: &[f32],
    up: &[f32],
    columns: usize,
) -> Packed {
    let form = Form::of_processor();
    let (edges, block) = (edges(columns, 2), form.block(columns));
    Packed::filled(x.rows, columns, |panels| {
        let mut spans: Vec<_> = edges
            .windows(2)
            .map(|edges| Span {
                x,
                w: [gate, up],
                columns,
                range: edges[0]..edges[1],
                out: Squares {
                    panels: panels.len(),
                    parts: Vec::with_capacity(2 * panels.len()),
                },
            })
            .collect();
        for (index, mut part) in panels
            .into_iter()
            .flat_map(|parts| parts.into_iter().enumerate())
        {
            let here = index * block..columns.min((index + 1) * block);
            for span in &mut spans {
                let shared = here.start.max(span.range.start)..here.end.min(span.range.end);
                if !shared.is_empty() {
                    let width = shared.len().next_multiple_of(form.across);
                    let (first, rest) = part.split_at(width * form.height);
                    span.out.parts.push(first);
                    part = rest;
                }
            }
        }
        team::each(spans, processor::run);
    })
}

/// The first column of each span, and the end of the last span, if `count` matrices are multiplied
/// at a time.
fn edges(columns: usize, count: usize) -> Vec<usize> {
    let is_wide = processor::has_wide_vectors();
    let span = if is_wide { WIDE_SPAN } else { SPAN } / count;
    // Spans differ by one tile at most, so that no thread waits long for another.
    let tiles = columns.div_ceil(WIDEST);
    let threads = rayon::current_num_threads();
    let spans = threads * columns.div_ceil(threads).div_ceil(span);
    let spans = spans.min(tiles);
    (0..=spans)
        .map(|index| columns.min(index * tiles / spans * WIDEST))
        .collect()
}

/// Some columns of the products of the same rows with `N` matrices.
struct Span<'a, O, const N: usize> {
    x: &'a Packed,
    w: [&'a [f32]; N],
    /// Columns of a whole matrix.
    columns: usize,
    range: Range<usize>,
    out: O,
}

/// Packed weights of a block of `k`.
struct Block<'a, S: Simd> {
    /// Matrix by matrix, and within a matrix column of tiles by column of tiles.
    packed: &'a [[S::f32s; VECTORS]],
    /// The first `k`.
    start: usize,
    depth: usize,
    /// The depth of the first block.
    most: usize,
    /// Panels of rows.
    panels: usize,
}

impl<O: Sink<N>, const N: usize> WithSimd for Span<'_, O, N> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        if processor::is_wide::<S>() {
            self.fill::<S, WIDE_HEIGHT>(simd);
        } else {
            self.fill::<S, HEIGHT>(simd);
        }
    }
}

impl<O: Sink<N>, const N: usize> Span<'_, O, N> {
    /// Computes the tiles, of `H` rows each.
    #[inline(always)]
    fn fill<S: Simd, const H: usize>(mut self, simd: S) {
        let form = Form::of::<S>();
        let k = self.x.k;
        let (across, most) = (form.across, form.block(k).min(k));
        let width = self.range.len();
        let columns = width.div_ceil(across);
        let padded = self.x.rows.next_multiple_of(H);
        let panels = padded / H;
        // If `k` is one block, sums are finished when they leave the registers.
        let kept = if most < k { columns * padded * N } else { 0 };
        let mut scratch = SCRATCH.take();
        let count = (columns * most * N + kept) * across;
        if scratch.len() < count {
            scratch.resize(count, 0.0);
        }
        let vectors = S::as_mut_simd_f32s(&mut scratch[..count]).0;
        let vectors = vectors.as_chunks_mut::<VECTORS>().0;
        let (packed, kept) = vectors.split_at_mut(columns * most * N);
        let kept = kept.as_chunks_mut::<H>().0;
        for start in (0..k).step_by(most) {
            let depth = most.min(k - start);
            for (w, packed) in self.w.iter().zip(packed.chunks_exact_mut(columns * most)) {
                self.pack_weights::<S>(simd, w, start..start + depth, packed);
            }
            let block = Block {
                packed: &*packed,
                start,
                depth,
                most,
                panels,
            };
            for band in (0..panels).step_by(BAND) {
                for column in 0..columns {
                    for panel in band..panels.min(band + BAND) {
                        self.tile(simd, &block, kept, panel, column);
                    }
                }
            }
        }
        SCRATCH.set(scratch);
    }

    /// Multiplies a panel of a block by a column of tiles.
    #[inline(always)]
    fn tile<S: Simd, const H: usize>(
        &mut self,
        simd: S,
        block: &Block<'_, S>,
        kept: &mut [Tile<S, H>],
        panel: usize,
        column: usize,
    ) {
        let (depth, across) = (block.depth, VECTORS * S::F32_LANES);
        let width = self.range.len();
        let columns = width.div_ceil(across);
        let stride = depth.next_multiple_of(across) * H;
        let first = block.start * block.panels * H + panel * stride;
        let x = &self.x.values[first..first + stride];
        let is_last = block.start + depth == self.x.k;
        let mut tiles = [[[simd.splat_f32s(0.0); VECTORS]; H]; N];
        for i in 0..N {
            let place = (i * columns + column) * block.panels + panel;
            let mut sums = [[simd.splat_f32s(0.0); VECTORS]; H];
            if block.start > 0 {
                sums = kept[place];
            }
            let first = i * columns * block.most + column * depth;
            let w = &block.packed[first..first + depth];
            let sums = multiplied(simd, x, w, sums);
            if is_last {
                tiles[i] = sums;
            } else {
                kept[place] = sums;
            }
        }
        if is_last {
            let first = column * across;
            let columns = first..width.min(first + across);
            self.out.take(simd, panel, columns, tiles);
        }
    }

    /// Packs some rows of `w`, the columns of each tile together.
    #[inline(always)]
    fn pack_weights<S: Simd>(
        &self,
        simd: S,
        w: &[f32],
        rows: Range<usize>,
        packed: &mut [[S::f32s; VECTORS]],
    ) {
        let (across, width, depth) = (VECTORS * S::F32_LANES, self.range.len(), rows.len());
        for (index, row) in rows.enumerate() {
            let at = row * self.columns + self.range.start;
            prefetch::from(w, at + AHEAD * self.columns, width);
            let row = &w[at..at + width];
            for panel in 0..width.div_ceil(across) {
                let part = &row[panel * across..width.min((panel + 1) * across)];
                let packed = &mut packed[panel * depth + index];
                if part.len() == across {
                    packed.copy_from_slice(&S::as_simd_f32s(part).0[..VECTORS]);
                } else {
                    *packed = partial(simd, part);
                }
            }
        }
    }
}

#[inline(always)]
fn multiplied<S: Simd, const H: usize>(
    simd: S,
    x: &[f32],
    w: &[[S::f32s; VECTORS]],
    mut sums: Tile<S, H>,
) -> Tile<S, H> {
    let across = VECTORS * S::F32_LANES;
    for (index, w) in w.chunks(across).enumerate() {
        let square = &x[index * H * across..(index + 1) * H * across];
        for (at, w) in (0..across).zip(w) {
            // Past the end of this panel is the next one.
            prefetch::from(square, (at + SOON) * H, 1);
            // The processor itself prefetches from the second-level cache too late.
            prefetch::from(bytemuck::cast_slice(w), NEXT * across, across);
            for row in 0..H {
                let factor = simd.splat_f32s(square[row * across + at]);
                sums[row][0] = multiply_add(simd, factor, w[0], sums[row][0]);
                sums[row][1] = multiply_add(simd, factor, w[1], sums[row][1]);
            }
        }
    }
    sums
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::ops::{
        cpu::{product::product, row::forward::swiglu},
        tests::fixture::numbers,
    };

    /// Rows, `k` and the width of the gate: one block and several, whole and partial tiles.
    const SHAPES: [[usize; 3]; 4] = [[1, 5, 3], [26, 70, 33], [70, 950, 1000], [110, 300, 450]];

    #[test]
    fn what_is_gated_has_the_bits_of_its_parts() {
        for [rows, k, width] in SHAPES {
            let x = numbers(1, rows * k);
            let [gate, up, w] = [2, 3, 4].map(|seed| numbers(seed, k * width));
            let down = Weights {
                w: &w,
                columns: k,
                bias: None,
            };

            let gated = gated(&Packed::of(&x, k), &gate, &up, width);
            let [found] = products(&gated, [down]);

            let [gate, up] = [gate, up].map(|w| product(&x, &w, k, width));
            let expected = product(&swiglu(&gate, &up), &w, width, k);
            assert_eq!(found, expected, "{rows} {k} {width}");
        }
    }

    #[test]
    fn products_of_the_same_rows_have_the_bits_of_each() {
        for [rows, k, width] in SHAPES {
            let x = numbers(5, rows * k);
            let (w, wide) = (numbers(6, k * width), numbers(7, k * 3 * width));
            let bias = numbers(8, width);

            let [biased, plain] = products(
                &Packed::of(&x, k),
                [(&w, width, Some(&*bias)), (&wide, 3 * width, None)]
                    .map(|(w, columns, bias)| Weights { w, columns, bias }),
            );

            let mut expected = product(&x, &w, k, width);
            for row in expected.chunks_mut(width) {
                row.iter_mut()
                    .zip(&bias)
                    .for_each(|(sum, bias)| *sum += bias);
            }
            assert_eq!(biased, expected, "{rows} {k} {width}");
            assert_eq!(
                plain,
                product(&x, &wide, k, 3 * width),
                "{rows} {k} {width}"
            );
        }
    }
}
