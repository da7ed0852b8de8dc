//! The rows of a product, in the order in which the tiles read them.

use pulp::{Simd, WithSimd};

use crate::model::ops::cpu::{
    simd::processor,
    threads::{fresh, team},
};

/// Rows of a tile on processors with narrow vectors.
pub(super) const HEIGHT: usize = 6;

/// Rows of a tile on processors with wide vectors, which have twice as many registers.
pub(super) const WIDE_HEIGHT: usize = 12;

/// Vectors in a row of a tile.
pub(super) const VECTORS: usize = 2;

/// The most of `k` that is packed at a time: the columns of a tile fill most of the first-level
/// cache.
const DEPTH: usize = 384;

/// As [`DEPTH`], with wide vectors: the columns of a tile come from the second-level cache, and
/// sums seldom have to be kept until the next block.
const WIDE_DEPTH: usize = 896;

/// The width of the widest tile. Threads get multiples of it, so that no two share a tile.
pub(super) const WIDEST: usize = 32;

/// Rows as tiles read them.
///
/// The numbers are ordered by block of `k`, then by panel, which has as many rows as a tile, and
/// within a panel by squares as wide as a tile, row after row. Each panel begins where the panel
/// before it ends, so that prefetching past a panel prefetches the next one. A finished tile is a
/// square of the next product. The last panel and the last square are padded with zeros.
#[derive(Debug)]
pub(in crate::model::ops::cpu) struct Packed {
    pub(super) values: Vec<f32>,
    pub(super) rows: usize,
    pub(super) k: usize,
}

/// How rows are packed on this processor.
#[derive(Clone, Copy, Debug)]
pub(super) struct Form {
    /// Rows of a tile.
    pub(super) height: usize,
    /// Columns of a tile.
    pub(super) across: usize,
    /// The most of `k` in a block.
    depth: usize,
}

impl Form {
    pub(super) fn of_processor() -> Self {
        struct Of;
        impl WithSimd for Of {
            type Output = Form;

            #[inline(always)]
            fn with_simd<S: Simd>(self, _: S) -> Form {
                Form::of::<S>()
            }
        }
        processor::run(Of)
    }

    #[inline(always)]
    pub(super) fn of<S: Simd>() -> Self {
        let across = VECTORS * S::F32_LANES;
        if processor::is_wide::<S>() {
            Self {
                height: WIDE_HEIGHT,
                across,
                depth: WIDE_DEPTH,
            }
        } else {
            Self {
                height: HEIGHT,
                across,
                depth: DEPTH,
            }
        }
    }

    /// The `k` of a block: a multiple of every width of a square.
    pub(super) fn block(self, k: usize) -> usize {
        k.div_ceil(k.div_ceil(self.depth)).next_multiple_of(WIDEST)
    }
}

impl Packed {
    /// Packs rows of `k` numbers each.
    pub(in crate::model::ops::cpu) fn of(x: &[f32], k: usize) -> Self {
        let (form, rows) = (Form::of_processor(), x.len() / k);
        Self::filled(rows, k, |panels| {
            let panels = x.chunks(form.height * k).zip(panels);
            let panels = panels.map(|(rows, parts)| Pack { rows, k, parts });
            team::each(panels.collect(), processor::run);
        })
    }

    /// Rows of `k` numbers. `fill` writes each panel, block after block.
    pub(super) fn filled(
        rows: usize,
        k: usize,
        fill: impl FnOnce(Vec<Vec<fresh::Part<'_>>>),
    ) -> Self {
        let form = Form::of_processor();
        let block = form.block(k);
        let padded = rows.next_multiple_of(form.height);
        let count = padded * k.next_multiple_of(form.across);
        let values = fresh::numbers(count, |packed| {
            let mut panels: Vec<_> = (0..padded / form.height).map(|_| Vec::new()).collect();
            for (index, whole) in packed.chunks(padded * block).enumerate() {
                let depth = block.min(k - index * block).next_multiple_of(form.across);
                for (panel, part) in panels.iter_mut().zip(whole.chunks(form.height * depth)) {
                    panel.push(part);
                }
            }
            fill(panels);
        });
        Self { values, rows, k }
    }
}

/// Copies rows into the parts of their panel.
struct Pack<'a> {
    rows: &'a [f32],
    k: usize,
    parts: Vec<fresh::Part<'a>>,
}

impl WithSimd for Pack<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let form = Form::of::<S>();
        let (block, zeros) = (form.block(self.k), [0.0; WIDEST]);
        for (index, mut part) in self.parts.into_iter().enumerate() {
            let columns = index * block..self.k.min((index + 1) * block);
            for first in columns.clone().step_by(form.across) {
                let width = form.across.min(columns.end - first);
                let mut rows = self.rows.chunks_exact(self.k);
                for _ in 0..form.height {
                    match rows.next() {
                        // The compiler knows this length.
                        Some(row) if width == form.across => {
                            part.push(&row[first..first + form.across]);
                        }
                        Some(row) => {
                            part.push(&row[first..first + width]);
                            part.push(&zeros[..form.across - width]);
                        }
                        None => part.push(&zeros[..form.across]),
                    }
                }
            }
        }
    }
}
