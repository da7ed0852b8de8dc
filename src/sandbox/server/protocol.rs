//! Requests to a server and its replies; `driver.py` documents their form.

use std::{
    collections::BTreeMap,
    io::{self, IoSlice, Read as _, Write as _},
    mem::MaybeUninit,
    os::{fd::BorrowedFd, unix::net::UnixStream},
    time::{Duration, Instant},
};

use rustix::{
    event::{PollFd, PollFlags},
    io::retry_on_intr,
    net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg},
};
use serde::{Deserialize, de::DeserializeOwned};

use super::poll::wait_for;
use crate::sandbox::PythonError;

/// The letter of a request to run a program.
pub(super) const PROGRAM: u8 = b'p';
/// The letter of a request to run a program by the loaded harness.
pub(super) const CALL: u8 = b'c';
/// The letter of a request to answer calls by the loaded harness.
pub(super) const ANSWERS: u8 = b'a';
/// The letter of a request to check answers by the loaded harness; the server then is a checker for good.
pub(super) const CHECK: u8 = b'd';
/// The letter of a request to load a harness.
pub(super) const HARNESS: u8 = b'h';

/// The longest reply: what a server reports of itself is short, and a checker may report the calls that it needs.
const MAX_REPLY_BYTES: usize = 1 << 26;
/// The letter of a request, the seed and the length of the text.
const HEADER_BYTES: usize = 13;

/// A server's first reply, when it is ready.
#[derive(Deserialize)]
pub(super) struct Hello {
    /// Why each safeguard is off; nothing if it is on.
    pub(super) safeguards: BTreeMap<String, Option<String>>,
    /// How each safeguard works on this system.
    pub(super) details: BTreeMap<String, String>,
    /// The loaded modules and their versions.
    pub(super) modules: BTreeMap<String, String>,
}

/// The reply to [`HARNESS`].
#[derive(Deserialize)]
pub(super) struct Prepared {
    #[serde(rename = "prepared")]
    _is_prepared: bool,
}

/// The reply to [`CHECK`].
#[derive(Deserialize)]
pub(super) struct Checked {
    pub(super) checked: String,
}

/// The reply when a program has ended.
#[derive(Deserialize)]
pub(super) struct Ended {
    /// The exit code, or the negative number of a signal.
    pub(super) status: i32,
    /// Whether the server can run no other program.
    pub(super) is_spent: bool,
}

/// A reply in place of any other: the server has failed.
#[derive(Deserialize)]
struct Fatal {
    fatal: String,
}

/// The socket to a server; programs do not have it.
#[derive(Debug)]
pub(super) struct Channel(UnixStream);

impl Channel {
    /// Both ends: ours and the server's.
    pub(super) fn pair() -> io::Result<(Self, UnixStream)> {
        let (ours, theirs) = UnixStream::pair()?;
        Ok((Self(ours), theirs))
    }

    /// What to poll for a reply.
    pub(super) fn polled(&self) -> PollFd<'_> {
        PollFd::new(&self.0, PollFlags::IN)
    }

    /// Sends a request, with copies of at most two descriptors.
    pub(super) fn send(
        &mut self,
        kind: u8,
        seed: u64,
        text: &str,
        passed: &[BorrowedFd<'_>],
    ) -> Result<(), PythonError> {
        let size = u32::try_from(text.len()).map_err(|_| PythonError::Server {
            reason: "the program is too long".to_owned(),
        })?;
        let mut header = [kind; HEADER_BYTES];
        header[1..9].copy_from_slice(&seed.to_le_bytes());
        header[9..].copy_from_slice(&size.to_le_bytes());
        let text = text.as_bytes();
        // In one call where it fits, so that the server wakes up once.
        let parts = [IoSlice::new(&header), IoSlice::new(text)];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(2))];
        let mut descriptors = SendAncillaryBuffer::new(&mut space);
        if !passed.is_empty() {
            descriptors.push(SendAncillaryMessage::ScmRights(passed));
        }
        // Rust ignores the signal of a broken pipe.
        let sent = retry_on_intr(|| sendmsg(&self.0, &parts, &mut descriptors, SendFlags::empty()))
            .map_err(|error| PythonError::Lost(error.into()))?;
        for (part, sent) in [
            (&header[..], sent),
            (text, sent.saturating_sub(header.len())),
        ] {
            let rest = part.get(sent..).unwrap_or_default();
            self.0.write_all(rest).map_err(PythonError::Lost)?;
        }
        Ok(())
    }

    /// Receives a reply within some time.
    pub(super) fn receive<T: DeserializeOwned>(
        &mut self,
        within: Duration,
    ) -> Result<T, PythonError> {
        let deadline = Instant::now() + within;
        let mut size = [0; 4];
        self.read(&mut size, deadline)?;
        let size = u32::from_le_bytes(size) as usize;
        if size > MAX_REPLY_BYTES {
            return Err(PythonError::Server {
                reason: format!("a reply of {size} bytes"),
            });
        }
        let mut reply = vec![0; size];
        self.read(&mut reply, deadline)?;
        serde_json::from_slice(&reply).map_err(|error| {
            let reason = match serde_json::from_slice::<Fatal>(&reply) {
                Ok(Fatal { fatal }) => fatal,
                Err(_) => error.to_string(),
            };
            PythonError::Server { reason }
        })
    }

    fn read(&mut self, mut buffer: &mut [u8], deadline: Instant) -> Result<(), PythonError> {
        while !buffer.is_empty() {
            if !wait_for(&mut [self.polled()], deadline)? {
                return Err(no_answer());
            }
            match self.0.read(buffer) {
                Ok(0) => return Err(PythonError::Lost(io::ErrorKind::UnexpectedEof.into())),
                Ok(count) => buffer = &mut buffer[count..],
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(PythonError::Lost(error)),
            }
        }
        Ok(())
    }
}

/// The error for a server that does not reply in time.
pub(super) fn no_answer() -> PythonError {
    PythonError::Server {
        reason: "no answer".to_owned(),
    }
}
