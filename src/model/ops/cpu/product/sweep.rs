//! Products of few rows on processors with narrow vectors: the weights stream past the outputs.
//!
//! Memory is read in a few long streams, row by row, while the outputs stay in the first-level
//! cache.

use pulp::{Simd, WithSimd};

use crate::model::ops::cpu::simd::{
    lanes::{axpy, axpy_pair},
    prefetch,
};

use super::columns::ColumnBlock;

/// The most rows for which this is the fastest way.
pub(super) const ROWS: usize = 24;

/// Rows of `w` that one sweep over the outputs takes in.
const SWEEP: usize = 4;

/// Numbers that fit the first-level cache: the outputs and a sweep of weights.
const CACHED: usize = 6 << 10;

/// The columns of a block whose outputs stay in the first-level cache.
pub(super) fn columns(rows: usize) -> usize {
    CACHED / (rows + SWEEP)
}

/// Some columns of a product.
pub(super) struct Sweep<'a>(pub(super) ColumnBlock<'a>);

/// The factors of a sweep of weights.
#[inline(always)]
fn factors(x: &[f32], k: usize, row: usize, at: usize) -> [f32; SWEEP] {
    let x = &x[row * k + at..row * k + at + SWEEP];
    [x[0], x[1], x[2], x[3]]
}

impl WithSimd for Sweep<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let ColumnBlock {
            x,
            w,
            k,
            columns,
            first,
            mut out,
        } = self.0;
        let width = out[0].len();
        let row_of = |at: usize| &w[at * columns + first..][..width];
        // In the whole product, two blocks share the cache line where one ends and the next begins,
        // and their threads would contend for it at every sweep. So each thread has its own
        // outputs.
        let mut sums = vec![0.0; out.len() * width];
        let whole = k / SWEEP * SWEEP;
        let mut at = 0;
        while at < whole {
            let w_rows = [row_of(at), row_of(at + 1), row_of(at + 2), row_of(at + 3)];
            if out.len() > 1 {
                prefetch::rows(w, (at + SWEEP) * columns + first, columns, width);
            }
            let mut row = 0;
            let mut pairs = sums.chunks_exact_mut(2 * width);
            for pair in &mut pairs {
                let (one, two) = pair.split_at_mut(width);
                let x = [factors(x, k, row, at), factors(x, k, row + 1, at)];
                axpy_pair(simd, [one, two], x, w_rows);
                row += 2;
            }
            let last = pairs.into_remainder();
            if !last.is_empty() {
                axpy(simd, last, factors(x, k, row, at), w_rows);
            }
            at += SWEEP;
        }
        while at < k {
            for (row, sums) in sums.chunks_exact_mut(width).enumerate() {
                axpy(simd, sums, [x[row * k + at]], [row_of(at)]);
            }
            at += 1;
        }
        for (out, sums) in out.iter_mut().zip(sums.chunks_exact(width)) {
            out.copy_from_slice(sums);
        }
    }
}
