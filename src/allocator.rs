//! The program's memory: the system's allocator, with settings for large arrays of numbers.
//!
//! - Large blocks begin at a cache line. The C library aligns to 16 bytes, which would put each
//!   vector of 64 bytes into two lines.
//! - Freed memory is kept. A step allocates what the previous one freed, and each page that was
//!   returned to the system costs a fault and is cleared again.
//! - The largest blocks ask for huge pages, because weights are read row by row, each on another
//!   page.
//!
//! `just bench-model` measures the effect; `docs/design/memory.md` has the figures.
#![expect(unsafe_code, reason = "an allocator hands out raw memory")]
#![expect(
    clippy::cast_ptr_alignment,
    reason = "a header ends where a cache line begins"
)]

use std::alloc::{GlobalAlloc, Layout, System};

/// Blocks of at least this size begin at a cache line.
const LARGE: usize = 4 << 10;

/// Bytes of a cache line and of the widest vector.
const LINE: usize = 64;

/// Bytes of the header before an aligned block, which holds the address of the system's block.
const HEADER: usize = 16;

/// Blocks of at least this size ask for huge pages.
#[cfg(target_os = "linux")]
const HUGE: usize = 4 << 20;

/// The allocator; a program that uses it declares it as its `#[global_allocator]`.
#[derive(Debug)]
pub struct Allocator;

#[cfg(test)]
#[global_allocator]
static ALLOCATOR: Allocator = Allocator;

/// The layout that is requested from the system for a block that shall begin at a cache line, which
/// has room for a line more; `None` for other blocks.
///
/// malloc can align too, but aligned blocks are never reused for later requests.
fn larger(layout: Layout) -> Option<Layout> {
    if layout.size() < LARGE || layout.align() > LINE {
        return None;
    }
    keep_freed();
    Layout::from_size_align(layout.size() + LINE, HEADER).ok()
}

/// The first cache line in a block of the system that has room for a header before it; the header
/// holds the address of the block.
///
/// # Safety
///
/// The block is null, or has [`LINE`] bytes more than are used and is aligned to [`HEADER`].
unsafe fn line_in(block: *mut u8, size: usize) -> *mut u8 {
    if block.is_null() {
        return block;
    }
    // At least a header, at most a line.
    let skipped = LINE - block.addr() % LINE;
    // SAFETY: the header and the line are within the block.
    let place = unsafe {
        let place = block.add(skipped);
        place.cast::<*mut u8>().sub(1).write(block);
        place
    };
    with_huge_pages(place, size);
    place
}

/// Makes the C library keep freed blocks of up to 32 MiB, its largest limit.
fn keep_freed() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    {
        static ONCE: std::sync::Once = std::sync::Once::new();
        ONCE.call_once(|| {
            // SAFETY: it only changes when memory is returned to the system.
            unsafe {
                libc::mallopt(libc::M_MMAP_THRESHOLD, 32 << 20);
                libc::mallopt(libc::M_TRIM_THRESHOLD, i32::MAX);
            }
        });
    }
}

/// Asks for huge pages within a block, which also works without them.
fn with_huge_pages(block: *mut u8, size: usize) {
    #[cfg(target_os = "linux")]
    if size >= HUGE {
        const PAGE: usize = 4 << 10;
        let skipped = block.align_offset(PAGE);
        let whole = (size - skipped) / PAGE * PAGE;
        // SAFETY: the pages are within a block that this allocator owns.
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

// SAFETY: the system's allocator does the work. How a block is allocated depends only on its layout,
// so that it is freed in the same way.
unsafe impl GlobalAlloc for Allocator {
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
        // SAFETY: as the caller promises; a larger block has a header since it was allocated.
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
    fn large_blocks_begin_at_a_cache_line_and_keep_their_content_as_they_grow() {
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
