//! The two pipes of a program: one for its nonce, one for its message.
//!
//! They are made for one program and end with it, so that neither their contents nor their modes, times and flags
//! reach another one.

use std::{
    io::{self, PipeReader, PipeWriter, Read as _, Write as _},
    os::fd::{AsFd as _, BorrowedFd},
};

use rustix::{
    event::{PollFd, PollFlags},
    io::ioctl_fionbio,
};

use super::poll::is_readable;
use crate::sandbox::{PythonError, proof::Nonce};

/// The most that one read takes from the pipe of messages: all that fits into it.
const READ_BYTES: usize = 1 << 16;

/// Both pipes of a program. We keep all ends as long as it runs, so that neither pipe ends before it.
#[derive(Debug)]
pub(super) struct ProgramPipes {
    /// To the pipe from which a program that has passed reads its nonce.
    _nonce_writer: PipeWriter,
    nonce_reader: PipeReader,
    /// From the pipe into which the program writes.
    messages: PipeReader,
    message_writer: PipeWriter,
    /// What was read last.
    part: Vec<u8>,
}

impl ProgramPipes {
    /// Both pipes, with the program's nonce in its pipe.
    pub(super) fn new(nonce: &Nonce) -> io::Result<Self> {
        let (nonce_reader, mut nonce_writer) = io::pipe()?;
        // If the program has removed its nonce, the driver does not wait for another one.
        ioctl_fionbio(&nonce_reader, true)?;
        nonce_writer.write_all(nonce.bytes())?;
        let (messages, message_writer) = io::pipe()?;
        Ok(Self {
            _nonce_writer: nonce_writer,
            nonce_reader,
            messages,
            message_writer,
            part: vec![0; READ_BYTES],
        })
    }

    /// The program's ends, in the order in which the driver expects them.
    pub(super) fn of_program(&self) -> [BorrowedFd<'_>; 2] {
        [self.nonce_reader.as_fd(), self.message_writer.as_fd()]
    }

    /// What to poll for a message.
    pub(super) fn polled(&self) -> PollFd<'_> {
        PollFd::new(&self.messages, PollFlags::IN)
    }

    /// Reads some of what the program has written and does not wait: nothing if there is nothing.
    pub(super) fn read_available(&mut self) -> Result<&[u8], PythonError> {
        let count = if is_readable(&self.messages)? {
            self.messages
                .read(&mut self.part)
                .map_err(PythonError::Lost)?
        } else {
            0
        };
        Ok(&self.part[..count])
    }

    /// Reads all that an ended program has written; `message` keeps at most `most` bytes and one.
    pub(super) fn drain_messages(
        &mut self,
        message: &mut Vec<u8>,
        most: usize,
    ) -> Result<(), PythonError> {
        loop {
            let part = self.read_available()?;
            if part.is_empty() {
                return Ok(());
            }
            let room = (most + 1).saturating_sub(message.len());
            message.extend_from_slice(&part[..part.len().min(room)]);
        }
    }
}
