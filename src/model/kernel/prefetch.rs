//! Asking for memory before it is read.
#![expect(unsafe_code, reason = "the processor's hint takes a raw pointer")]

/// Numbers of 32 bits in a cache line.
const LINE: usize = 16;

/// Hints that the numbers from `start` on, `width` of each of four rows, will be read soon.
///
/// Rows that lie far apart defeat the processor's own guess of what comes next.
#[inline(always)]
pub(super) fn rows(data: &[f32], start: usize, stride: usize, width: usize) {
    for row in 0..4 {
        let first = start + row * stride;
        if let Some(part) = data.get(first..first + width) {
            slice(part);
        }
    }
}

/// Hints that some numbers will be read soon.
#[inline(always)]
pub(super) fn slice(data: &[f32]) {
    #[cfg(target_arch = "x86_64")]
    for line in data.iter().step_by(LINE) {
        use core::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        // SAFETY: a hint reads nothing, and the address is that of an element anyway.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(std::ptr::from_ref(line).cast()) };
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = (data, LINE);
}
