//! Waiting for a descriptor that can be read.

use std::{io::PipeReader, os::fd::AsFd as _, time::Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::sandbox::PythonError;

/// Waits until a descriptor can be read, and returns whether one can before the deadline.
pub(super) fn wait_for(ends: &mut [PollFd<'_>], deadline: Instant) -> Result<bool, PythonError> {
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        let left = Timespec::try_from(left).unwrap_or(Timespec {
            tv_sec: 0,
            tv_nsec: 0,
        });
        match poll(ends, Some(&left)) {
            Ok(count) => return Ok(count > 0),
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(PythonError::Lost(error.into())),
        }
    }
}

/// Whether a pipe can be read without waiting.
pub(super) fn is_readable(end: &PipeReader) -> Result<bool, PythonError> {
    let mut ends = [PollFd::from_borrowed_fd(end.as_fd(), PollFlags::IN)];
    wait_for(&mut ends, Instant::now())
}
