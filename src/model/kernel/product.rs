//! Matrix products whose every element is summed in one order, whatever the shape around it.
//!
//! An element is a chain of fused multiply-adds over `k`, from the first to the last. No tile, block
//! or thread ever splits the chain, so that a row's result has the same bits in any batch, in a
//! prompt or one token at a time, and on any number of threads.

use pulp::{Simd, WithSimd};
use rayon::prelude::*;

use super::{
    lanes::{axpy, axpy_pair},
    prefetch, processor, tile,
};

/// Rows up to which weights stream past the outputs; above, both sides are packed into tiles.
const THIN: usize = 24;

/// Rows of `w` that one sweep over the outputs takes in.
const SWEEP: usize = 4;

/// Numbers that a thin product keeps in the first cache: its outputs and a sweep of weights.
const CACHED: usize = 6 << 10;

/// Multiply-adds below which threads cost more than they bring.
const WORTH_A_THREAD: usize = 1 << 17;

/// The product `x · w`.
///
/// # Shapes
///
/// - `x`: `[rows, k]`, row after row
/// - `w`: `[k, columns]`, row after row
/// - `out`: `[rows, columns]`
pub(super) fn product(x: &[f32], w: &[f32], k: usize, columns: usize) -> Vec<f32> {
    let rows = x.len() / k;
    let mut out = vec![0.0; rows * columns];
    if rows <= THIN {
        thin(x, w, k, columns, &mut out);
    } else {
        tile::tiled(x, w, k, columns, &mut out);
    }
    out
}

fn thin(x: &[f32], w: &[f32], k: usize, columns: usize, out: &mut [f32]) {
    let rows = x.len() / k;
    let threads = rayon::current_num_threads();
    let is_small = rows * k * columns < WORTH_A_THREAD || threads == 1;
    let share = if is_small {
        columns
    } else {
        columns.div_ceil(threads)
    };
    // Whole cache lines, so that no two threads write to the same one.
    let width = share.min(CACHED / (rows + SWEEP)).next_multiple_of(32);
    let mut blocks: Vec<Thin<'_>> = (0..columns.div_ceil(width))
        .map(|block| Thin {
            x,
            w,
            k,
            columns,
            first: block * width,
            out: Vec::with_capacity(rows),
        })
        .collect();
    for row in out.chunks_mut(columns) {
        for (block, part) in blocks.iter_mut().zip(row.chunks_mut(width)) {
            block.out.push(part);
        }
    }
    if is_small {
        for one in blocks {
            processor::run(one);
        }
    } else {
        blocks.into_par_iter().for_each(processor::run);
    }
}

/// Some columns of a product with few rows.
struct Thin<'a> {
    x: &'a [f32],
    w: &'a [f32],
    k: usize,
    columns: usize,
    first: usize,
    /// The outputs of each row.
    out: Vec<&'a mut [f32]>,
}

impl<'a> Thin<'a> {
    #[inline(always)]
    fn row(&self, at: usize) -> &'a [f32] {
        let start = at * self.columns + self.first;
        &self.w[start..start + self.out[0].len()]
    }
}

/// The factors of a sweep of weights.
#[inline(always)]
fn factors(x: &[f32], k: usize, row: usize, at: usize) -> [f32; SWEEP] {
    let x = &x[row * k + at..row * k + at + SWEEP];
    [x[0], x[1], x[2], x[3]]
}

impl WithSimd for Thin<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(mut self, simd: S) {
        let whole = self.k / SWEEP * SWEEP;
        let mut at = 0;
        while at < whole {
            let w = [
                self.row(at),
                self.row(at + 1),
                self.row(at + 2),
                self.row(at + 3),
            ];
            if self.out.len() > 1 {
                let next = (at + SWEEP) * self.columns + self.first;
                prefetch::rows(self.w, next, self.columns, w[0].len());
            }
            let mut row = 0;
            let mut pairs = self.out.chunks_exact_mut(2);
            for pair in &mut pairs {
                let [one, two] = pair else {
                    unreachable!("pairs have two members")
                };
                let x = [
                    factors(self.x, self.k, row, at),
                    factors(self.x, self.k, row + 1, at),
                ];
                axpy_pair(simd, [one, two], x, w);
                row += 2;
            }
            if let [last] = pairs.into_remainder() {
                axpy(simd, last, factors(self.x, self.k, row, at), w);
            }
            at += SWEEP;
        }
        while at < self.k {
            let w = self.row(at);
            for (row, out) in self.out.iter_mut().enumerate() {
                axpy(simd, out, [self.x[row * self.k + at]], [w]);
            }
            at += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::kernel::sample::{distance, numbers};

    /// Rows, `k` and columns: less than a vector, whole and broken sweeps, tiles and blocks.
    const SHAPES: [[usize; 3]; 6] = [
        [1, 1, 1],
        [3, 7, 5],
        [8, 100, 1300],
        [24, 33, 70],
        [25, 400, 47],
        [110, 513, 600],
    ];

    #[test]
    fn products_are_those_of_64_bits() {
        for [rows, k, columns] in SHAPES {
            let (x, w) = (numbers(1, rows * k), numbers(2, k * columns));

            let found = product(&x, &w, k, columns);

            let exact: Vec<f64> = (0..rows * columns)
                .map(|at| {
                    let (row, column) = (at / columns, at % columns);
                    let term =
                        |i: usize| f64::from(x[row * k + i]) * f64::from(w[i * columns + column]);
                    (0..k).map(term).sum()
                })
                .collect();
            // 1e-4: up to 513 roundings, each of 1e-6, of sums that reach thirty.
            assert!(distance(&found, &exact) < 1e-4, "{rows} {k} {columns}");
        }
    }

    #[test]
    fn a_row_has_the_same_bits_in_any_batch() {
        for [rows, k, columns] in SHAPES {
            let (x, w) = (numbers(3, rows * k), numbers(4, k * columns));

            let together = product(&x, &w, k, columns);

            for (x, row) in x.chunks(k).zip(together.chunks(columns)) {
                assert_eq!(product(x, &w, k, columns), row, "{rows} {k} {columns}");
            }
        }
    }

    #[test]
    fn the_number_of_threads_changes_no_bit() {
        for [rows, k, columns] in [[1, 400, 700], [60, 200, 900]] {
            let (x, w) = (numbers(5, rows * k), numbers(6, k * columns));
            let on = |threads: usize| {
                let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
                pool.unwrap().install(|| product(&x, &w, k, columns))
            };

            assert_eq!(on(1), on(3));
        }
    }
}
