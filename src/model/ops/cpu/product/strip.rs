//! Products of few rows on processors with wide vectors: the sums stay in registers.
//!
//! A strip is a few columns, for as many rows at a time as the registers hold sums for. Its weights
//! are far apart in memory, one or a few cache lines in each row of `w`. So each block of `w` is
//! prefetched in the order of its addresses while the block before it is used.

use std::ops::Range;

use pulp::{Simd, WithSimd};

use crate::model::ops::cpu::simd::{
    lanes::{multiply_add, multiply_add_one},
    prefetch::Ahead,
};

use super::columns::ColumnBlock;

/// The most rows for which this is the fastest way.
pub(super) const ROWS: usize = 64;

/// The most columns of a block: with many blocks, a thread that gets less of the processor takes
/// fewer.
pub(super) const COLUMNS: usize = 480;

/// Rows of `w` that are prefetched at a time: twice as many fit the second-level cache.
const DEPTH: usize = 64;

/// Some columns of a product.
pub(super) struct Strips<'a>(pub(super) ColumnBlock<'a>);

impl WithSimd for Strips<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(mut self, simd: S) {
        // As many vectors as fit the 32 registers together with the weights and a factor.
        match self.0.out.len() {
            1 | 2 => self.fill::<S, 2, 8>(simd),
            3 | 4 => self.fill::<S, 4, 6>(simd),
            5 | 6 => self.fill::<S, 6, 4>(simd),
            _ => self.fill::<S, 8, 3>(simd),
        }
    }
}

/// A part of a product: rows from `row` on, these columns of the block, these rows of `w`.
struct Place {
    row: usize,
    columns: Range<usize>,
    k: Range<usize>,
}

impl Strips<'_> {
    /// Fills the columns strip by strip, each `V` vectors wide, for up to `MOST` rows at a time.
    #[inline(always)]
    fn fill<S: Simd, const MOST: usize, const V: usize>(&mut self, simd: S) {
        let (rows, width) = (self.0.out.len(), self.0.out[0].len());
        let next = DEPTH * self.0.columns + self.0.first;
        let mut ahead = Ahead::new(self.0.w, next, width, self.0.columns);
        for start in (0..self.0.k).step_by(DEPTH) {
            let mut at = 0;
            while at < width {
                let end = width.min(at + V * S::F32_LANES);
                for row in (0..rows).step_by(MOST) {
                    let place = Place {
                        row,
                        columns: at..end,
                        k: start..self.0.k.min(start + DEPTH),
                    };
                    match rows.min(row + MOST) - row {
                        1 => self.strip::<S, 1, V>(simd, place, &mut ahead),
                        2 => self.strip::<S, 2, V>(simd, place, &mut ahead),
                        3 if MOST >= 4 => self.strip::<S, 3, V>(simd, place, &mut ahead),
                        4 if MOST >= 4 => self.strip::<S, 4, V>(simd, place, &mut ahead),
                        5 if MOST >= 6 => self.strip::<S, 5, V>(simd, place, &mut ahead),
                        6 if MOST >= 6 => self.strip::<S, 6, V>(simd, place, &mut ahead),
                        7 if MOST >= 8 => self.strip::<S, 7, V>(simd, place, &mut ahead),
                        _ => self.strip::<S, MOST, V>(simd, place, &mut ahead),
                    }
                }
                at = end;
            }
        }
    }

    /// A strip of `R` rows, which is narrower at the end of the columns.
    #[inline(always)]
    fn strip<S: Simd, const R: usize, const V: usize>(
        &mut self,
        simd: S,
        mut place: Place,
        ahead: &mut Ahead,
    ) {
        let end = place.columns.end;
        if place.columns.len() == V * S::F32_LANES {
            return self.tile::<S, R, V>(simd, &place, ahead);
        }
        while place.columns.start + S::F32_LANES <= end {
            place.columns.end = place.columns.start + S::F32_LANES;
            self.tile::<S, R, 1>(simd, &place, ahead);
            place.columns.start = place.columns.end;
        }
        place.columns.end = end;
        self.tail::<S, R>(simd, &place);
    }

    /// Adds to the sums of `R` rows and `V` vectors.
    #[inline(always)]
    fn tile<S: Simd, const R: usize, const V: usize>(
        &mut self,
        simd: S,
        place: &Place,
        ahead: &mut Ahead,
    ) {
        let ColumnBlock {
            x,
            w,
            k,
            columns,
            first,
            out,
        } = &mut self.0;
        let across = place.columns.clone();
        let mut sums = [[simd.splat_f32s(0.0); V]; R];
        if place.k.start > 0 {
            for row in 0..R {
                let part = S::as_simd_f32s(&out[place.row + row][across.clone()]).0;
                sums[row].copy_from_slice(&part[..V]);
            }
        }
        let mut factors: [&[f32]; R] = [&[]; R];
        for row in 0..R {
            factors[row] = &x[(place.row + row) * *k..][place.k.clone()];
        }
        let mut start = place.k.start * *columns + *first + across.start;
        for index in 0..place.k.len() {
            let w_row = S::as_simd_f32s(&w[start..start + across.len()]).0;
            if place.row == 0 {
                ahead.ask(V);
            }
            for row in 0..R {
                let factor = simd.splat_f32s(factors[row][index]);
                for v in 0..V {
                    sums[row][v] = multiply_add(simd, factor, w_row[v], sums[row][v]);
                }
            }
            start += *columns;
        }
        for row in 0..R {
            let part = S::as_mut_simd_f32s(&mut out[place.row + row][across.clone()]).0;
            part[..V].copy_from_slice(&sums[row]);
        }
    }

    /// Adds to the elements that do not fill a vector.
    #[inline(always)]
    fn tail<S: Simd, const R: usize>(&mut self, simd: S, place: &Place) {
        let part = &mut self.0;
        for row in place.row..place.row + R {
            for column in place.columns.clone() {
                let mut sum = part.out[row][column];
                for at in place.k.clone() {
                    let w = part.w[at * part.columns + part.first + column];
                    sum = multiply_add_one(simd, part.x[row * part.k + at], w, sum);
                }
                part.out[row][column] = sum;
            }
        }
    }
}
