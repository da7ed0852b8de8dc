//! Products of many rows, in tiles that stay in registers.

use std::{cell::Cell, ops::Range};

use pulp::{Simd, WithSimd};

use super::{fresh, lanes::multiply_add, prefetch, processor, team};

/// Rows of a tile where vectors are narrow.
const HEIGHT: usize = 6;

/// Rows of a tile where vectors are wide, and there are twice as many.
const WIDE_HEIGHT: usize = 12;

/// Vectors of a row of a tile.
const VECTORS: usize = 2;

/// The most of `k` whose weights lie packed at a time: a tile's columns fill most of the first cache.
const DEPTH: usize = 384;

/// As [`DEPTH`], where vectors are wide.
const WIDE_DEPTH: usize = 448;

/// The most columns that a thread packs and multiplies at a time.
const SPAN: usize = 512;

/// As [`SPAN`], where vectors are wide: the outputs of five hundred rows stay in the second cache,
/// which is larger there.
const WIDE_SPAN: usize = 192;

/// Tiles that are multiplied before the next tile's columns are, as their rows fit the second cache.
const BAND: usize = 16;

/// Steps of `k` that are packed at a time, so that the lines that are written stay in the first cache.
const PACKED: usize = 16;

/// Rows of `w` between the one that is asked for and the one that is packed.
const AHEAD: usize = 8;

/// Steps of `k` from where rows are asked for to where they are multiplied.
const SOON: usize = 32;

thread_local! {
    /// Packed weights: a span overwrites what the last one left.
    static SCRATCH: Cell<Vec<f32>> = const { Cell::new(Vec::new()) };
}

/// The widest tile, so that no two threads share one.
const WIDEST: usize = 32;

/// As [`super::product::product`], for many rows.
pub(super) fn tiled(x: &[f32], w: &[f32], k: usize, columns: usize) -> Vec<f32> {
    let is_wide = processor::has_wide_vectors();
    let (span, packed) = if is_wide {
        (
            WIDE_SPAN,
            pack_rows::<WIDE_HEIGHT>(x, k, block(k, WIDE_DEPTH)),
        )
    } else {
        (SPAN, pack_rows::<HEIGHT>(x, k, block(k, DEPTH)))
    };
    let rows = x.len() / k;
    // Spans differ by one tile at most, or threads would wait for the one with the last.
    let tiles = columns.div_ceil(WIDEST);
    let threads = rayon::current_num_threads();
    let count = threads * columns.div_ceil(threads).div_ceil(span);
    let count = count.min(tiles);
    let edge = |index: usize| columns.min(index * tiles / count * WIDEST);
    fresh::numbers(rows * columns, |out| {
        let mut spans: Vec<Span<'_>> = (0..count)
            .map(|index| Span {
                x: &packed,
                w,
                k,
                columns,
                first: edge(index),
                out: Vec::with_capacity(rows),
            })
            .collect();
        for mut row in out.chunks(columns) {
            for (index, span) in spans.iter_mut().enumerate() {
                let (part, rest) = row.split_at(edge(index + 1) - edge(index));
                span.out.push(part);
                row = rest;
            }
        }
        team::each(spans, processor::run);
    })
}

/// The `k` of a block of weights.
fn block(k: usize, most: usize) -> usize {
    k.div_ceil(k.div_ceil(most))
}

/// Block after block of `k`, panels of `H` rows, `k` after `k`; missing rows are zero.
///
/// So a panel's rows end where the next panel's begin, and asking for what comes next asks for them.
fn pack_rows<const H: usize>(x: &[f32], k: usize, depth: usize) -> Vec<f32> {
    let padded = (x.len() / k).next_multiple_of(H);
    fresh::numbers(padded * k, |packed| {
        let mut panels: Vec<_> = x.chunks(H * k).map(|rows| (rows, Vec::new())).collect();
        for (index, block) in packed.chunks(padded * depth).enumerate() {
            let first = index * depth;
            let depth = depth.min(k - first);
            for (panel, part) in panels.iter_mut().zip(block.chunks(H * depth)) {
                panel.1.push((first, part));
            }
        }
        team::each(panels, |(rows, parts)| {
            for (first, part) in parts {
                let panel = part.zeroed().as_chunks_mut::<H>().0;
                for start in (0..panel.len()).step_by(PACKED) {
                    let part = start..panel.len().min(start + PACKED);
                    for (index, row) in rows.chunks(k).enumerate() {
                        let row = &row[first + part.start..first + part.end];
                        for (slots, value) in panel[part.clone()].iter_mut().zip(row) {
                            slots[index] = *value;
                        }
                    }
                }
            }
        });
    })
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
    out: Vec<fresh::Part<'a>>,
}

impl WithSimd for Span<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        if processor::is_wide::<S>() {
            self.fill::<S, WIDE_HEIGHT>(simd, WIDE_DEPTH);
        } else {
            self.fill::<S, HEIGHT>(simd, DEPTH);
        }
    }
}

impl Span<'_> {
    /// Fills the outputs by tiles of `H` rows.
    #[inline(always)]
    fn fill<S: Simd, const H: usize>(mut self, simd: S, depth: usize) {
        let parts = std::mem::take(&mut self.out);
        let mut out: Vec<&mut [f32]> = parts.into_iter().map(fresh::Part::zeroed).collect();
        let across = VECTORS * S::F32_LANES;
        let width = out[0].len();
        let panels = width.div_ceil(across);
        let most = block(self.k, depth);
        let padded = self.x.len() / self.k;
        let mut scratch = SCRATCH.take();
        if scratch.len() < panels * most * across {
            scratch.resize(panels * most * across, 0.0);
        }
        let packed = S::as_mut_simd_f32s(&mut scratch).0;
        let packed = packed.as_chunks_mut::<VECTORS>().0;
        for start in (0..self.k).step_by(most) {
            let depth = most.min(self.k - start);
            self.pack_weights::<S>(simd, start, depth, width, packed);
            for band in (0..out.len()).step_by(BAND * H) {
                let end = out.len().min(band + BAND * H);
                for panel in 0..panels {
                    let w = &packed[panel * depth..(panel + 1) * depth];
                    let first = panel * across;
                    let last = width.min(first + across);
                    for row in (band..end).step_by(H) {
                        let at = start * padded + row * depth;
                        let x = &self.x[at..at + depth * H];
                        let rows = row..end.min(row + H);
                        // The rows of outputs lie far apart.
                        for row in rows.end..end.min(rows.end + H) {
                            prefetch::slice(&out[row][first..last]);
                        }
                        tile::<S, H>(simd, x, w, &mut out[rows], first..last);
                    }
                }
            }
        }
        SCRATCH.set(scratch);
    }

    /// Packs panel by panel: one that is written row by row would need all panels' lines at once.
    #[inline(always)]
    fn pack_weights<S: Simd>(
        &self,
        simd: S,
        start: usize,
        depth: usize,
        width: usize,
        packed: &mut [[S::f32s; VECTORS]],
    ) {
        let across = VECTORS * S::F32_LANES;
        for index in 0..depth {
            let at = (start + index) * self.columns + self.first;
            prefetch::from(self.w, at + AHEAD * self.columns, width);
            let row = &self.w[at..at + width];
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

/// Adds the products of a panel of rows and a panel of columns to a tile of outputs.
#[inline(always)]
fn tile<S: Simd, const H: usize>(
    simd: S,
    x: &[f32],
    w: &[[S::f32s; VECTORS]],
    out: &mut [&mut [f32]],
    columns: Range<usize>,
) {
    let mut sums = [[simd.splat_f32s(0.0); VECTORS]; H];
    if let (Some(out), true) = (
        out.as_mut_array::<H>(),
        columns.len() == VECTORS * S::F32_LANES,
    ) {
        // Loops of a known length, so that the sums never leave the registers.
        for row in 0..H {
            let vectors = S::as_simd_f32s(&out[row][columns.clone()]).0;
            sums[row] = [vectors[0], vectors[1]];
        }
        let sums = multiplied(simd, x, w, sums);
        for row in 0..H {
            let vectors = S::as_mut_simd_f32s(&mut out[row][columns.clone()]).0;
            vectors[0] = sums[row][0];
            vectors[1] = sums[row][1];
        }
    } else {
        for (sums, out) in sums.iter_mut().zip(&*out) {
            *sums = partial(simd, &out[columns.clone()]);
        }
        let sums = multiplied(simd, x, w, sums);
        for (sums, out) in sums.iter().zip(out) {
            let part = &mut out[columns.clone()];
            let (low, high) = part.split_at_mut(part.len().min(S::F32_LANES));
            simd.partial_store_f32s(low, sums[0]);
            simd.partial_store_f32s(high, sums[1]);
        }
    }
}

#[inline(always)]
fn multiplied<S: Simd, const H: usize>(
    simd: S,
    x: &[f32],
    w: &[[S::f32s; VECTORS]],
    mut sums: [[S::f32s; VECTORS]; H],
) -> [[S::f32s; VECTORS]; H] {
    for (x, w) in x.as_chunks::<H>().0.iter().zip(w) {
        // The rows of the next panel, too, lie behind these.
        prefetch::from(x, SOON * H, 1);
        for row in 0..H {
            let factor = simd.splat_f32s(x[row]);
            sums[row][0] = multiply_add(simd, factor, w[0], sums[row][0]);
            sums[row][1] = multiply_add(simd, factor, w[1], sums[row][1]);
        }
    }
    sums
}

#[inline(always)]
fn partial<S: Simd>(simd: S, part: &[f32]) -> [S::f32s; VECTORS] {
    let (low, high) = part.split_at(part.len().min(S::F32_LANES));
    [simd.partial_load_f32s(low), simd.partial_load_f32s(high)]
}
