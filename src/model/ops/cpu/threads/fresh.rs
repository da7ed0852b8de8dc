//! Output buffers that each thread writes for the first time itself.
//!
//! If one thread filled a buffer with zeros, the others would wait, and the zeros would have left
//! its caches before they are needed. That took a tenth of the time of a prompt.

#![expect(
    unsafe_code,
    reason = "memory is handed out before it is written, and what is written is counted"
)]

use std::{
    mem::MaybeUninit,
    sync::atomic::{AtomicUsize, Ordering},
};

/// `count` numbers, all of which `fill` writes.
///
/// # Panics
///
/// If `fill` leaves out a part.
pub(in crate::model::ops::cpu) fn numbers(count: usize, fill: impl FnOnce(Part<'_>)) -> Vec<f32> {
    let [numbers] = several([count], |[part]| fill(part));
    numbers
}

/// As [`numbers`], for several vectors at once.
///
/// # Panics
///
/// As [`numbers`].
pub(in crate::model::ops::cpu) fn several<const N: usize>(
    counts: [usize; N],
    fill: impl FnOnce([Part<'_>; N]),
) -> [Vec<f32>; N] {
    let mut vectors = counts.map(Vec::with_capacity);
    let written = AtomicUsize::new(0);
    let mut counts_left = counts.into_iter();
    fill(vectors.each_mut().map(|numbers| {
        let count = counts_left.next().unwrap_or(0);
        Part {
            memory: &mut numbers.spare_capacity_mut()[..count],
            pushed: 0,
            written: &written,
        }
    }));
    assert_eq!(
        written.into_inner(),
        counts.iter().sum::<usize>(),
        "every part is written"
    );
    for (numbers, count) in vectors.iter_mut().zip(counts) {
        // SAFETY: parts do not overlap. No number of a part is counted twice: `push` removes what
        // it writes from the part, and `zeroed` consumes the part. The total equals the sum of the
        // counts, so that the first `count` numbers of each vector are written.
        unsafe { numbers.set_len(count) };
    }
    vectors
}

/// Some of the numbers, before they are written.
#[derive(Debug)]
pub(in crate::model::ops::cpu) struct Part<'a> {
    /// What is left to write.
    memory: &'a mut [MaybeUninit<f32>],
    /// Numbers that are written but not counted yet.
    pushed: usize,
    /// Numbers of all parts that are written and counted.
    written: &'a AtomicUsize,
}

impl<'a> Part<'a> {
    /// Parts of `size` numbers each; the last may be smaller.
    pub(in crate::model::ops::cpu) fn chunks(self, size: usize) -> impl Iterator<Item = Self> {
        let written = self.written;
        let chunks = self.memory.chunks_mut(size);
        chunks.map(move |memory| Part {
            memory,
            pushed: 0,
            written,
        })
    }

    /// The first `count` numbers, and the rest.
    pub(in crate::model::ops::cpu) fn split_at(self, count: usize) -> (Self, Self) {
        let (first, rest) = self.memory.split_at_mut(count);
        let part = |memory| Part {
            memory,
            pushed: 0,
            written: self.written,
        };
        (part(first), part(rest))
    }

    /// How many numbers are left to write.
    pub(in crate::model::ops::cpu) fn left(&self) -> usize {
        self.memory.len()
    }

    /// Writes the next numbers.
    // Counted once at the end: at every row of a tile, threads would contend for the counter.
    #[inline(always)]
    pub(in crate::model::ops::cpu) fn push(&mut self, values: &[f32]) {
        let (next, rest) = std::mem::take(&mut self.memory).split_at_mut(values.len());
        next.write_copy_of_slice(values);
        self.memory = rest;
        self.pushed += values.len();
        if self.memory.is_empty() {
            let pushed = std::mem::take(&mut self.pushed);
            self.written.fetch_add(pushed, Ordering::Relaxed);
        }
    }

    /// Writes zeros and returns them.
    pub(in crate::model::ops::cpu) fn zeroed(self) -> &'a mut [f32] {
        self.memory.fill(MaybeUninit::new(0.0));
        self.written.fetch_add(self.memory.len(), Ordering::Relaxed);
        // SAFETY: each of them has just been written.
        unsafe { self.memory.assume_init_mut() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_make_up_the_whole() {
        let found = numbers(10, |whole| {
            let (first, rest) = whole.split_at(3);
            first.zeroed().fill(1.0);
            for (index, part) in rest.chunks(4).enumerate() {
                part.zeroed()[0] = 2.0 + index as f32;
            }
        });

        assert_eq!(found, [1.0, 1.0, 1.0, 2.0, 0.0, 0.0, 0.0, 3.0, 0.0, 0.0]);
    }

    #[test]
    fn several_vectors_are_pushed_piece_by_piece() {
        let [first, second] = several([5, 2], |[mut first, mut second]| {
            first.push(&[1.0, 2.0, 3.0]);
            second.push(&[4.0, 5.0]);
            assert_eq!((first.left(), second.left()), (2, 0));
            second.push(&[]);
            first.push(&[6.0, 7.0]);
        });

        assert_eq!(first, [1.0, 2.0, 3.0, 6.0, 7.0]);
        assert_eq!(second, [4.0, 5.0]);
    }

    #[test]
    #[should_panic(expected = "every part is written")]
    fn a_part_that_is_not_full_is_noticed() {
        several([3, 1], |[mut first, mut second]| {
            first.push(&[1.0, 2.0]);
            // Adding nothing to a full part does not count it twice.
            second.push(&[1.0]);
            second.push(&[]);
        });
    }

    #[test]
    #[should_panic(expected = "every part is written")]
    fn a_part_that_nobody_writes_is_noticed() {
        numbers(5, |whole| {
            let (first, _) = whole.split_at(4);
            first.zeroed();
        });
    }
}
