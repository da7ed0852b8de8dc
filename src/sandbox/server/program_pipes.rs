//! The two pipes that all programs of a server share: one for nonces, one for messages.
//!
//! Whatever a program leaves in them is removed before the next one starts.

use std::io::{self, PipeReader, PipeWriter, Read as _, Write as _};

use rustix::event::{PollFd, PollFlags};

use super::poll::is_readable;
use crate::sandbox::{
    PythonError,
    proof::{MAX_MESSAGE_BYTES, Nonce},
};

/// The most that one read takes from the pipe of messages.
const READ_BYTES: usize = 1 << 14;

/// Our ends of the two pipes.
#[derive(Debug)]
pub(super) struct ProgramPipes {
    /// To the pipe from which a program that has passed reads its nonce.
    nonce_writer: PipeWriter,
    /// The other end of that pipe, through which leftovers are removed.
    nonce_reader: PipeReader,
    /// From the pipe into which programs write.
    messages: PipeReader,
}

impl ProgramPipes {
    /// Both pipes: our ends, the server's end for nonces, and its end for messages.
    pub(super) fn new() -> io::Result<(Self, PipeReader, PipeWriter)> {
        let (nonce_reader, nonce_writer) = io::pipe()?;
        let (messages, message_writer) = io::pipe()?;
        let nonces = nonce_reader.try_clone()?;
        let ours = Self {
            nonce_writer,
            nonce_reader,
            messages,
        };
        Ok((ours, nonces, message_writer))
    }

    /// What to poll for a message.
    pub(super) fn polled(&self) -> PollFd<'_> {
        PollFd::new(&self.messages, PollFlags::IN)
    }

    /// Puts the next program's nonce into its pipe.
    pub(super) fn put_nonce(&mut self, nonce: &Nonce) -> Result<(), PythonError> {
        let written = self.nonce_writer.write_all(nonce.bytes());
        written.map_err(PythonError::Lost)
    }

    /// Reads some of what programs have written; `message` keeps at most `most` bytes and one.
    pub(super) fn read_message(
        &mut self,
        message: &mut Vec<u8>,
        most: usize,
    ) -> Result<(), PythonError> {
        let mut part = [0; READ_BYTES];
        let count = self.messages.read(&mut part).map_err(PythonError::Lost)?;
        if count == 0 {
            return Err(PythonError::Lost(io::ErrorKind::UnexpectedEof.into()));
        }
        let room = (most + 1).saturating_sub(message.len());
        message.extend_from_slice(&part[..count.min(room)]);
        Ok(())
    }

    /// Reads all that programs have written; `message` keeps at most `most` bytes and one.
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

    /// Removes what the last program has left, or put, where the next one's nonce will be.
    pub(super) fn drain_nonces(&mut self) -> Result<(), PythonError> {
        while is_readable(&self.nonce_reader)? {
            let mut part = [0; MAX_MESSAGE_BYTES];
            self.nonce_reader
                .read(&mut part)
                .map_err(PythonError::Lost)?;
        }
        Ok(())
    }
}
