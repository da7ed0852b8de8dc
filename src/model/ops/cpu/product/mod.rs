//! Matrix products whose every element is summed in one order, whatever the shape around it.
//!
//! An element is a chain of fused multiply-adds over `k`, from the first to the last. No tile, block
//! or thread ever splits the chain, so that a row's result has the same bits in any batch, in a
//! prompt or one token at a time, and on any number of threads.

use super::{
    packed::Packed,
    processor,
    strip::{self, Strips},
    sweep::{self, Sweep},
    team,
    tile::{self, Weights},
};

/// Multiply-adds below which threads cost more than they bring.
const WORTH_A_THREAD: usize = 1 << 17;

/// Some columns of a product with few rows, for one thread.
pub(super) struct Part<'a> {
    pub(super) x: &'a [f32],
    pub(super) w: &'a [f32],
    pub(super) k: usize,
    /// Of the whole product.
    pub(super) columns: usize,
    pub(super) first: usize,
    /// The outputs of each row.
    pub(super) out: Vec<&'a mut [f32]>,
}

/// The product `x · w`.
///
/// # Shapes
///
/// - `x`: `[rows, k]`, row after row
/// - `w`: `[k, columns]`, row after row
/// - `out`: `[rows, columns]`
pub(super) fn product(x: &[f32], w: &[f32], k: usize, columns: usize) -> Vec<f32> {
    let rows = x.len() / k;
    let is_wide = processor::has_wide_vectors();
    if has_tiles(rows) {
        return tiled(x, w, k, columns);
    }
    let mut out = vec![0.0; rows * columns];
    if is_wide && rows > 1 {
        let parts = parts(x, w, k, &mut out, |share| share.min(strip::COLUMNS));
        each(parts, |part| processor::run(Strips(part)));
    } else {
        let most = sweep::columns(rows);
        let parts = parts(x, w, k, &mut out, |share| share.min(most));
        each(parts, |part| processor::run(Sweep(part)));
    }
    out
}

/// Whether products of so many rows are computed in tiles.
pub(super) fn has_tiles(rows: usize) -> bool {
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

/// Shares the columns of a product with few rows.
///
/// `width` says how many of a thread's columns a part has.
fn parts<'a>(
    x: &'a [f32],
    w: &'a [f32],
    k: usize,
    out: &'a mut [f32],
    width: impl Fn(usize) -> usize,
) -> Vec<Part<'a>> {
    let (rows, columns) = (x.len() / k, w.len() / k);
    let threads = rayon::current_num_threads();
    let is_small = rows * k * columns < WORTH_A_THREAD;
    let share = columns.div_ceil(if is_small { 1 } else { threads });
    let width = width(share).next_multiple_of(32);
    let mut parts: Vec<Part<'_>> = (0..columns.div_ceil(width))
        .map(|index| Part {
            x,
            w,
            k,
            columns,
            first: index * width,
            out: Vec::with_capacity(rows),
        })
        .collect();
    for row in out.chunks_mut(columns) {
        for (part, out) in parts.iter_mut().zip(row.chunks_mut(width)) {
            part.out.push(out);
        }
    }
    parts
}

/// Computes the parts, by several threads where that pays.
fn each<'a>(parts: Vec<Part<'a>>, compute: impl Fn(Part<'a>) + Sync + Send) {
    let work = |part: &Part<'_>| part.out.len() * part.k * part.out[0].len();
    if parts.iter().map(work).sum::<usize>() < WORTH_A_THREAD {
        parts.into_iter().for_each(compute);
    } else {
        team::each(parts, compute);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::kernel::sample::{distance, numbers};

    /// Rows, `k` and columns: less than a vector, whole and broken sweeps, tiles and blocks.
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
            assert!(distance(&found, &exact) < 1e-4, "{rows} {k} {columns}");
        }
    }

    #[test]
    fn every_way_gives_the_same_bits() {
        for [rows, k, columns] in SHAPES {
            let (x, w) = (numbers(7, rows * k), numbers(8, k * columns));
            let by = |way: fn(Part<'_>)| {
                let mut out = vec![0.0; rows * columns];
                each(parts(&x, &w, k, &mut out, |share| share.min(200)), way);
                out
            };
            let tiled = tiled(&x, &w, k, columns);

            assert_eq!(by(|part| processor::run(Sweep(part))), tiled);
            assert_eq!(by(|part| processor::run(Strips(part))), tiled);
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
