//! Products of few rows where vectors are narrow and few: weights stream past the outputs.
//!
//! Memory is read in a few long streams, row by row, while the outputs stay in the first cache.

use pulp::{Simd, WithSimd};

use super::{
    lanes::{axpy, axpy_pair},
    prefetch,
    product::Part,
};

/// Rows up to which this is the fastest way.
pub(super) const ROWS: usize = 24;

/// Rows of `w` that one sweep over the outputs takes in.
const SWEEP: usize = 4;

/// Numbers that stay in the first cache: the outputs and a sweep of weights.
const CACHED: usize = 6 << 10;

/// The columns of a part whose outputs stay in the first cache.
pub(super) fn columns(rows: usize) -> usize {
    CACHED / (rows + SWEEP)
}

/// Some columns of a product.
pub(super) struct Sweep<'a>(pub(super) Part<'a>);

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
        let Part {
            x,
            w,
            k,
            columns,
            first,
            mut out,
        } = self.0;
        let width = out[0].len();
        let row_of = |at: usize| &w[at * columns + first..][..width];
        // Outputs of this thread alone: in the whole product the last cache line of a row's part is
        // the next part's as well, and two threads would fight for it at every sweep.
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
