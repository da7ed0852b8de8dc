//! Hints to the processor that memory will be read soon.
#![expect(unsafe_code, reason = "the processor's hint takes a raw pointer")]

/// Numbers of 32 bits in a cache line.
const LINE: usize = 16;

/// Hints that the numbers from `start` on, `width` of each of four rows, will be read soon.
///
/// The processor's own prediction fails for rows that are far apart in memory.
#[inline(always)]
pub(in crate::model::ops::cpu) fn rows(data: &[f32], start: usize, stride: usize, width: usize) {
    for row in 0..4 {
        let first = start + row * stride;
        if let Some(part) = data.get(first..first + width) {
            slice(part);
        }
    }
}

/// Hints that some numbers will be read soon.
#[inline(always)]
pub(in crate::model::ops::cpu) fn slice(data: &[f32]) {
    #[cfg(target_arch = "x86_64")]
    for line in data.iter().step_by(LINE) {
        use core::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        // SAFETY: a hint reads nothing, and the address is that of an element anyway.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(std::ptr::from_ref(line).cast()) };
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = (data, LINE);
}

/// As [`slice`], for numbers that may be beyond the end of `data`.
#[inline(always)]
pub(in crate::model::ops::cpu) fn from(data: &[f32], start: usize, count: usize) {
    #[cfg(target_arch = "x86_64")]
    for at in (0..count).step_by(LINE) {
        use core::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        let wanted = data.as_ptr().wrapping_add(start + at);
        // SAFETY: a hint reads nothing, whatever the address.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(wanted.cast()) };
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = (data, start, count, LINE);
}

/// A block of rows that is fetched cache line by cache line, in the order of its addresses.
pub(in crate::model::ops::cpu) struct Ahead {
    next: *const f32,
    /// Cache lines in a row of the block.
    lines: usize,
    /// Cache lines of this row that have not been asked for.
    left: usize,
    /// Numbers from the end of the part of a row to the start of the part of the next row.
    gap: usize,
}

impl Ahead {
    /// Fetches `width` numbers from `start` on, and as many in each of the following rows.
    pub(in crate::model::ops::cpu) fn new(
        data: &[f32],
        start: usize,
        width: usize,
        stride: usize,
    ) -> Self {
        let lines = width / LINE;
        Self {
            next: data.as_ptr().wrapping_add(start),
            lines,
            left: lines,
            gap: stride - lines * LINE,
        }
    }

    /// Hints that the next lines will be read in a while.
    #[inline(always)]
    pub(in crate::model::ops::cpu) fn ask(&mut self, lines: usize) {
        for _ in 0..lines {
            #[cfg(target_arch = "x86_64")]
            {
                use core::arch::x86_64::{_MM_HINT_T1, _mm_prefetch};
                // SAFETY: a hint reads nothing, whatever the address.
                unsafe { _mm_prefetch::<_MM_HINT_T1>(self.next.cast()) };
            }
            self.next = self.next.wrapping_add(LINE);
            self.left = self.left.saturating_sub(1);
            if self.left == 0 {
                self.left = self.lines;
                self.next = self.next.wrapping_add(self.gap);
            }
        }
    }
}
