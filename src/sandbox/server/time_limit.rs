//! The time limit of a program, extended by the time that it spends waiting for a CPU.

use std::time::{Duration, Instant};

use super::{
    contention::Contention,
    poll::wait_for,
    process,
    protocol::{Channel, no_answer},
};
use crate::sandbox::{PythonError, Verdict};

/// What a server may take after a program's time: to see that it is dead, and to empty the scratch folder.
pub(super) const GRACE: Duration = Duration::from_secs(15);
/// The least time between two looks at how long a program has waited, because each look costs a little.
const MIN_EXTENSION: Duration = Duration::from_millis(1);
/// How many times its limit a program may wait for a CPU before judging gives up.
const MAX_WAIT: u32 = 20;
/// The time between two looks at whether a program has started, or its server has cleaned up.
const POLL_INTERVAL: Duration = Duration::from_millis(5);
/// The age at which a measurement is made again when a limit begins. Within it, waiting for a CPU may count for two
/// calls of a program.
const MAX_AGE: Duration = Duration::from_millis(100);

/// How a program's time ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// The program ended.
    ByItself,
    /// The program was still running.
    Late,
    /// What the program wrote is enough, or more than any honest message has.
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

/// The time limit of the program that runs now, or of one of its calls.
#[derive(Debug)]
pub(super) struct TimeLimit {
    timeout: Duration,
    started: Instant,
    deadline: Instant,
    /// Since when there is no program, although the server has not replied.
    absent_since: Option<Instant>,
    /// What the program had used at a moment before this limit started, or nothing if that was its own start.
    before: Option<Contention>,
    measured: Instant,
}

impl TimeLimit {
    pub(super) fn start(timeout: Duration) -> Self {
        let started = Instant::now();
        Self {
            timeout,
            started,
            deadline: started + timeout,
            absent_since: None,
            before: None,
            measured: started,
        }
    }

    /// When to look whether the program has time left.
    pub(super) fn deadline(&self) -> Instant {
        self.deadline
    }

    /// Starts again, in a program that has already run.
    pub(super) fn restart(&mut self, timeout: Duration, server: u32) {
        let now = Instant::now();
        if now > self.measured + MAX_AGE {
            self.before = process::of_server(server).and_then(Contention::of);
            self.measured = now;
        }
        self.timeout = timeout;
        self.started = now;
        self.deadline = now + timeout;
    }

    /// Sets a later deadline if the program has time left, and returns whether it has.
    ///
    /// `server` is the process that was started as the server.
    pub(super) fn extend(&mut self, server: u32) -> Result<bool, PythonError> {
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
        let used = process::of_server(server).and_then(Contention::of);
        let quiet = used.map_or(wall, |used| {
            let age = self.started.saturating_duration_since(self.measured);
            used.since(self.before.unwrap_or_default(), age)
                .quiet_time(wall)
        });
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
/// It does not read what the program writes, which fits into the pipe if it is honest: waking up for it costs more than
/// leaving it there.
pub(super) fn await_end(
    server: u32,
    channel: &Channel,
    timeout: Duration,
) -> Result<End, PythonError> {
    let mut limit = TimeLimit::start(timeout);
    loop {
        if wait_for(&mut [channel.polled()], limit.deadline)? {
            return Ok(End::ByItself);
        }
        if !limit.extend(server)? {
            return Ok(End::Late);
        }
    }
}

/// Waits until a checker can be read or its time is over, and returns whether it can.
///
/// A checker lives long, so what it has waited before is measured when its time seems to be over, and then counts from
/// there.
pub(super) fn await_checker(
    server: u32,
    channel: &Channel,
    timeout: Duration,
) -> Result<bool, PythonError> {
    if wait_for(&mut [channel.polled()], Instant::now() + timeout)? {
        return Ok(true);
    }
    let mut limit = TimeLimit::start(timeout);
    limit.before = process::of_server(server).and_then(Contention::of);
    loop {
        if wait_for(&mut [channel.polled()], limit.deadline)? {
            return Ok(true);
        }
        if !limit.extend(server)? {
            return Ok(false);
        }
    }
}
