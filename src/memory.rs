//! The program's memory: the system's allocator, told what arrays of numbers need.
//!
//! - Large blocks begin with a cache line. By itself the C library aligns to 16 bytes, and each
//!   vector of 64 bytes would lie in two lines.
//! - Freed memory is kept. A step frees what the next one takes again, and each page that was given
//!   back costs a fault and is cleared anew.
//! - The largest blocks ask for huge pages, since weights are read row by row, each on another page.
//!
//! Measured with `just bench-model`; figures in `docs/performance.md`.
#![expect(unsafe_code, reason = "an allocator hands out raw memory")]
#![expect(
    clippy::cast_ptr_alignment,
    reason = "a note ends where a cache line begins"
)]

use std::alloc::{GlobalAlloc, Layout, System};

/// Blocks of this size and more begin with a cache line.
const LARGE: usize = 4 << 10;

/// Bytes of a cache line, and of the widest vector.
const LINE: usize = 64;

/// Bytes that hold an address.
const NOTE: usize = 16;

/// Blocks of this size and more ask for huge pages.
#[cfg(target_os = "linux")]
const HUGE: usize = 4 << 20;

/// The allocator; each program says at its top that it uses it.
#[derive(Debug)]
pub struct Memory;

#[cfg(test)]
#[global_allocator]
static MEMORY: Memory = Memory;

/// What the system's allocator is asked for where a block shall begin with a cache line: a line
/// more, in which the start of the system's own block is noted.
///
/// The system can align as well, but what it has aligned fits no block that was freed before.
fn larger(layout: Layout) -> Option<Layout> {
    if layout.size() < LARGE || layout.align() > LINE {
        return None;
    }
    keep_freed();
    Layout::from_size_align(layout.size() + LINE, NOTE).ok()
}

/// The place in a block of the system's that begins with a cache line, after a note of where the
/// block is.
///
/// # Safety
///
/// The block is null, or has [`LINE`] bytes more than are used, and is aligned to [`NOTE`].
unsafe fn line_in(block: *mut u8, size: usize) -> *mut u8 {
    if block.is_null() {
        return block;
    }
    // At least one note's bytes on, at most a line.
    let skipped = LINE - block.addr() % LINE;
    // SAFETY: the note and the place lie in the block.
    let place = unsafe {
        let place = block.add(skipped);
        place.cast::<*mut u8>().sub(1).write(block);
        place
    };
    with_huge_pages(place, size);
    place
}

/// Has the C library keep what is freed, up to blocks of 32 MiB, the most that it can.
fn keep_freed() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    {
        static ONCE: std::sync::Once = std::sync::Once::new();
        ONCE.call_once(|| {
            // SAFETY: it changes when memory is given back to the system, and nothing else.
            unsafe {
                libc::mallopt(libc::M_MMAP_THRESHOLD, 32 << 20);
                libc::mallopt(libc::M_TRIM_THRESHOLD, i32::MAX);
            }
        });
    }
}

/// Asks for huge pages within a block; one that gets none works as well.
fn with_huge_pages(block: *mut u8, size: usize) {
    #[cfg(target_os = "linux")]
    if size >= HUGE {
        const PAGE: usize = 4 << 10;
        let skipped = block.align_offset(PAGE);
        let whole = (size - skipped) / PAGE * PAGE;
        // SAFETY: the pages lie within a block that is ours.
        let _ = unsafe {
            rustix::mm::madvise(
                block.add(skipped).cast(),
                whole,
                rustix::mm::Advice::LinuxHugepage,
            )
        };
    }
    #[cfg(not(target_os = "linux"))]
    let _ = (block, size);
}

// SAFETY: all is left to the system's allocator; which way a block goes depends on its layout alone,
// so that it is given back as it was taken.
unsafe impl GlobalAlloc for Memory {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as the caller promises.
        unsafe {
            match larger(layout) {
                Some(larger) => line_in(System.alloc(larger), layout.size()),
                None => System.alloc(layout),
            }
        }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as the caller promises.
        unsafe {
            match larger(layout) {
                Some(larger) => line_in(System.alloc_zeroed(larger), layout.size()),
                None => System.alloc_zeroed(layout),
            }
        }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: as the caller promises; a larger block was noted when it was taken.
        unsafe {
            match larger(layout) {
                Some(larger) => System.dealloc(block.cast::<*mut u8>().sub(1).read(), larger),
                None => System.dealloc(block, layout),
            }
        }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        if layout.size() < LARGE && size < LARGE {
            // SAFETY: as the caller promises.
            return unsafe { System.realloc(block, layout, size) };
        }
        // SAFETY: the caller promises a size that is not zero and not too large; both blocks have
        // the smaller of the sizes.
        unsafe {
            let new = self.alloc(Layout::from_size_align_unchecked(size, layout.align()));
            if !new.is_null() {
                std::ptr::copy_nonoverlapping(block, new, layout.size().min(size));
                self.dealloc(block, layout);
            }
            new
        }
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn large_blocks_begin_with_a_cache_line_and_keep_what_is_in_them_as_they_grow() {
        let mut numbers: Vec<u16> = vec![7; 100];
        for count in [3000, 5000, 3 << 20, 40 << 20] {
            numbers.resize(count, 9);
            assert_eq!(numbers.as_ptr().align_offset(64), 0, "{count}");
        }
        assert!(numbers[..100].iter().all(|number| *number == 7));
        assert!(numbers[100..].iter().all(|number| *number == 9));

        numbers.truncate(60);
        numbers.shrink_to_fit();
        assert_eq!(numbers, [7; 60]);
        assert!(vec![0_u64; 1 << 20].iter().all(|number| *number == 0));
    }
}
