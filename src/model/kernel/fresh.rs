//! Memory that is written for the first time by the thread that goes on with it.
//!
//! Zeros from the allocator are written by one thread while the others wait, and have left its caches
//! when they are needed: a tenth of a prompt's time.

#![expect(
    unsafe_code,
    reason = "memory is handed out before it is written, and counted when it is"
)]

use std::{
    mem::MaybeUninit,
    sync::atomic::{AtomicUsize, Ordering},
};

/// `count` numbers, of which `fill` has zeroed every part.
///
/// # Panics
///
/// If `fill` has left out a part.
pub(super) fn numbers(count: usize, fill: impl FnOnce(Part<'_>)) -> Vec<f32> {
    let mut numbers = Vec::with_capacity(count);
    let written = AtomicUsize::new(0);
    fill(Part {
        memory: &mut numbers.spare_capacity_mut()[..count],
        written: &written,
    });
    assert_eq!(written.into_inner(), count, "every part is written");
    // SAFETY: parts do not overlap and are zeroed at most once, since that takes them; so as many
    // numbers as are zeroed in all are the first `count` of the vector.
    unsafe { numbers.set_len(count) };
    numbers
}

/// Some of the numbers, not written yet.
#[derive(Debug)]
pub(super) struct Part<'a> {
    memory: &'a mut [MaybeUninit<f32>],
    /// How many numbers of all parts are.
    written: &'a AtomicUsize,
}

impl<'a> Part<'a> {
    /// Parts of `size` numbers each, and what is left.
    pub(super) fn chunks(self, size: usize) -> impl Iterator<Item = Self> {
        let written = self.written;
        let chunks = self.memory.chunks_mut(size);
        chunks.map(move |memory| Part { memory, written })
    }

    /// The first `count` numbers, and the rest.
    pub(super) fn split_at(self, count: usize) -> (Self, Self) {
        let (first, rest) = self.memory.split_at_mut(count);
        let part = |memory| Part {
            memory,
            written: self.written,
        };
        (part(first), part(rest))
    }

    pub(super) fn zeroed(self) -> &'a mut [f32] {
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
    #[should_panic(expected = "every part is written")]
    fn a_part_that_nobody_writes_is_noticed() {
        numbers(5, |whole| {
            let (first, _) = whole.split_at(4);
            first.zeroed();
        });
    }
}
