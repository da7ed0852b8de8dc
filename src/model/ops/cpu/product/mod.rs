//! Matrix products, each element of which is summed in one order whatever the shape around it.
//!
//! An element is a chain of fused multiply-adds over `k`, from the first to the last. No tile,
//! block or thread ever splits the chain. So a row has the same bits in any batch, as part of a
//! prompt or as a single token, and on any number of threads.

mod columns;
pub(super) mod dots;
pub(super) mod packed;
mod sink;
mod strip;
mod sweep;
pub(super) mod tile;

use crate::model::ops::cpu::simd::processor;

use columns::{blocks, each};
use packed::Packed;
use strip::Strips;
use sweep::Sweep;
use tile::Weights;

/// The product `x · w`.
///
/// # Shapes
///
/// - `x`: `[rows, k]`, row after row
/// - `w`: `[k, columns]`, row after row
/// - `out`: `[rows, columns]`
pub(in crate::model::ops::cpu) fn product(
    x: &[f32],
    w: &[f32],
    k: usize,
    columns: usize,
) -> Vec<f32> {
    let rows = x.len() / k;
    let is_wide = processor::has_wide_vectors();
    if has_tiles(rows) {
        return tiled(x, w, k, columns);
    }
    let mut out = vec![0.0; rows * columns];
    if is_wide && rows > 1 {
        let blocks = blocks(x, w, k, &mut out, |share| share.min(strip::COLUMNS));
        each(blocks, |block| processor::run(Strips(block)));
    } else {
        let most = sweep::columns(rows);
        let blocks = blocks(x, w, k, &mut out, |share| share.min(most));
        each(blocks, |block| processor::run(Sweep(block)));
    }
    out
}

/// Whether a product of so many rows is computed in tiles.
pub(in crate::model::ops::cpu) fn has_tiles(rows: usize) -> bool {
    let is_wide = processor::has_wide_vectors();
    rows > if is_wide { strip::ROWS } else { sweep::ROWS }
}

fn tiled(x: &[f32], w: &[f32], k: usize, columns: usize) -> Vec<f32> {
    let weights = Weights {
        w,
        columns,
        bias: None,
    };
    let [out] = tile::products(&Packed::of(x, k), [weights]);
    out
}

#[cfg(test)]
mod tests {
    use super::{columns::ColumnBlock, *};
    use crate::model::ops::tests::fixture::{distance_to_exact, numbers};

    /// Rows, `k` and columns: less than a vector, and whole and partial sweeps, tiles and blocks.
    const SHAPES: [[usize; 3]; 8] = [
        [1, 1, 1],
        [3, 7, 5],
        [5, 150, 530],
        [8, 100, 1300],
        [24, 33, 70],
        [25, 400, 47],
        [70, 300, 230],
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
            assert!(
                distance_to_exact(&found, &exact) < 1e-4,
                "{rows} {k} {columns}"
            );
        }
    }

    #[test]
    fn every_way_gives_the_same_bits() {
        for [rows, k, columns] in SHAPES {
            let (x, w) = (numbers(7, rows * k), numbers(8, k * columns));
            let by = |way: fn(ColumnBlock<'_>)| {
                let mut out = vec![0.0; rows * columns];
                each(blocks(&x, &w, k, &mut out, |share| share.min(200)), way);
                out
            };
            let tiled = tiled(&x, &w, k, columns);

            assert_eq!(by(|block| processor::run(Sweep(block))), tiled);
            assert_eq!(by(|block| processor::run(Strips(block))), tiled);
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
