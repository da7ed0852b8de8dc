//! Whether this process was started with a closed stdout (`>&-`).
//!
//! Rust's runtime opens `/dev/null` in its place before `main`, so that all that is printed would vanish without an
//! error. So this looks before the runtime does.

#![expect(
    unsafe_code,
    reason = "the loader calls a function before `main` only from a section that is named"
)]

use std::{
    io,
    os::fd::AsFd as _,
    sync::atomic::{AtomicBool, Ordering},
};

static IS_CLOSED: AtomicBool = AtomicBool::new(false);

/// The loader calls this before `main`.
// SAFETY: the section of an ELF file is a list of such functions. This one needs nothing that the runtime prepares:
// it makes one system call, and stores a flag.
#[used]
#[unsafe(link_section = ".init_array")]
static BEFORE_MAIN: extern "C" fn() = look;

extern "C" fn look() {
    let flags = rustix::io::fcntl_getfd(io::stdout().as_fd());
    IS_CLOSED.store(flags.is_err(), Ordering::Relaxed);
}

/// Whether stdout was closed when this process was started.
pub(super) fn is_closed() -> bool {
    IS_CLOSED.load(Ordering::Relaxed)
}
