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

/// The most that one read takes from the pipe of messages.
const READ_BYTES: usize = 1 << 14;

/// Both pipes of a program. We keep all ends as long as it runs, so that neither pipe ends before it.
#[derive(Debug)]
pub(super) struct ProgramPipes {
    /// To the pipe from which a program that has passed reads its nonce.
    _nonce_writer: PipeWriter,
    nonce_reader: PipeReader,
    /// From the pipe into which the program writes.
    messages: PipeReader,
    message_writer: PipeWriter,
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

    /// Reads some of what the program has written; `message` keeps at most `most` bytes and one.
    pub(super) fn read_message(
        &mut self,
        message: &mut Vec<u8>,
        most: usize,
    ) -> Result<(), PythonError> {
        let mut part = [0; READ_BYTES];
        let count = self.messages.read(&mut part).map_err(PythonError::Lost)?;
        let room = (most + 1).saturating_sub(message.len());
        message.extend_from_slice(&part[..count.min(room)]);
        Ok(())
    }

    /// Reads all that the program has written; `message` keeps at most `most` bytes and one.
    pub(super) fn drain_messages(
        &mut self,
        message: &mut Vec<u8>,
        most: usize,
    ) -> Result<(), PythonError> {
        while is_readable(&self.messages)? {
            self.read_message(message, most)?;
        }
        Ok(())
    }
}
