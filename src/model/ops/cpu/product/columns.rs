//! How the columns of a product with few rows are shared among threads.

use crate::model::ops::cpu::threads::{WORTH_A_THREAD, team};

/// Some columns of a product with few rows, for one thread.
pub(super) struct ColumnBlock<'a> {
    pub(super) x: &'a [f32],
    pub(super) w: &'a [f32],
    pub(super) k: usize,
    /// Columns of the whole product.
    pub(super) columns: usize,
    /// The first column of the block.
    pub(super) first: usize,
    /// The outputs of each row.
    pub(super) out: Vec<&'a mut [f32]>,
}

/// Splits the columns of a product with few rows into blocks.
///
/// `width` turns the number of columns of a thread into the number of columns of a block.
pub(super) fn blocks<'a>(
    x: &'a [f32],
    w: &'a [f32],
    k: usize,
    out: &'a mut [f32],
    width: impl Fn(usize) -> usize,
) -> Vec<ColumnBlock<'a>> {
    let (rows, columns) = (x.len() / k, w.len() / k);
    let threads = rayon::current_num_threads();
    let is_small = rows * k * columns < WORTH_A_THREAD;
    let share = columns.div_ceil(if is_small { 1 } else { threads });
    let width = width(share).next_multiple_of(32);
    let mut blocks: Vec<ColumnBlock<'_>> = (0..columns.div_ceil(width))
        .map(|index| ColumnBlock {
            x,
            w,
            k,
            columns,
            first: index * width,
            out: Vec::with_capacity(rows),
        })
        .collect();
    for row in out.chunks_mut(columns) {
        for (block, out) in blocks.iter_mut().zip(row.chunks_mut(width)) {
            block.out.push(out);
        }
    }
    blocks
}

/// Computes the blocks, on several threads if that is faster.
pub(super) fn each<'a>(
    blocks: Vec<ColumnBlock<'a>>,
    compute: impl Fn(ColumnBlock<'a>) + Sync + Send,
) {
    let work = |block: &ColumnBlock<'_>| block.out.len() * block.k * block.out[0].len();
    if blocks.iter().map(work).sum::<usize>() < WORTH_A_THREAD {
        blocks.into_iter().for_each(compute);
    } else {
        team::each(blocks, compute);
    }
}
