//! The time limit of a program, extended by the time that it spends waiting for a CPU.

use std::time::{Duration, Instant};

use super::{
    contention::Contention,
    poll::wait_for,
    process,
    program_pipes::ProgramPipes,
    protocol::{Channel, no_answer},
};
use crate::sandbox::{PythonError, Verdict, proof::MAX_MESSAGE_BYTES};

/// What a server may take after a program's time: to see that it is dead, and to empty the scratch folder.
pub(super) const GRACE: Duration = Duration::from_secs(15);
/// The least time between two looks at how long a program has waited, because each look costs a little.
const MIN_EXTENSION: Duration = Duration::from_millis(1);
/// How many times its limit a program may wait for a CPU before judging gives up.
const MAX_WAIT: u32 = 20;
/// The time between two looks at whether a program has started, or its server has cleaned up.
const POLL_INTERVAL: Duration = Duration::from_millis(5);

/// How a program's time ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// The program ended.
    ByItself,
    /// The program was still running.
    Late,
    /// The program wrote more than any honest message has.
    Flood,
}

impl End {
    /// The verdict on a program whose message does not count.
    pub(super) fn verdict(self) -> Verdict {
        match self {
            Self::Late => Verdict::Timeout,
            Self::ByItself | Self::Flood => Verdict::Forged,
        }
    }
}

/// The time limit of the program that runs now.
#[derive(Debug)]
struct TimeLimit {
    timeout: Duration,
    started: Instant,
    deadline: Instant,
    /// Since when there is no program, although the server has not replied.
    absent_since: Option<Instant>,
}

impl TimeLimit {
    fn start(timeout: Duration) -> Self {
        let started = Instant::now();
        Self {
            timeout,
            started,
            deadline: started + timeout,
            absent_since: None,
        }
    }

    /// Sets a later deadline if the program has time left, and returns whether it has.
    ///
    /// `server` is the process that was started as the server.
    fn extend(&mut self, server: u32) -> Result<bool, PythonError> {
        if process::is_absent(server) {
            // The program has ended and its server cleans up, or it has not started, and neither has its time.
            self.started = Instant::now();
            let absent_since = *self.absent_since.get_or_insert(self.started);
            if absent_since + GRACE < self.started {
                return Err(no_answer());
            }
            self.deadline = self.started + POLL_INTERVAL;
            return Ok(true);
        }
        let wall = self.started.elapsed();
        let contention = process::of_server(server).and_then(Contention::of);
        let quiet = contention.map_or(wall, |contention| contention.quiet_time(wall));
        let left = self.timeout.saturating_sub(quiet);
        if left.is_zero() {
            return Ok(false);
        }
        if wall > self.timeout.saturating_mul(MAX_WAIT) {
            return Err(PythonError::Overloaded {
                waited: wall.saturating_sub(quiet),
            });
        }
        self.deadline = Instant::now() + left.max(MIN_EXTENSION);
        Ok(true)
    }
}

/// Waits until the server replies that the program has ended, or the program's time is over.
///
/// Meanwhile it reads what the program writes, of which `message` keeps at most `most` bytes and one. It does not
/// read where an honest message fits into the pipe, because waking up for it costs more than leaving it there.
pub(super) fn await_end(
    server: u32,
    channel: &Channel,
    pipes: &mut ProgramPipes,
    timeout: Duration,
    message: &mut Vec<u8>,
    most: usize,
) -> Result<End, PythonError> {
    let mut limit = TimeLimit::start(timeout);
    loop {
        let mut ends = [channel.polled(), pipes.polled()];
        let polled = if most > MAX_MESSAGE_BYTES { 2 } else { 1 };
        wait_for(&mut ends[..polled], limit.deadline)?;
        let [has_ended, has_written] = ends.map(|end| !end.revents().is_empty());
        if has_ended {
            return Ok(End::ByItself);
        }
        if has_written {
            pipes.read_message(message, most)?;
            if message.len() > most {
                return Ok(End::Flood);
            }
        }
        if Instant::now() >= limit.deadline && !limit.extend(server)? {
            return Ok(End::Late);
        }
    }
}
