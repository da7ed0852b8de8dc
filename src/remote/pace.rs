//! A limit on the number of requests per minute.

use std::{
    sync::{Mutex, PoisonError},
    thread,
    time::{Duration, Instant},
};

/// Spaces the requests of all threads that share it.
#[derive(Debug)]
pub(super) struct Pace {
    gap: Duration,
    next: Mutex<Instant>,
}

impl Pace {
    /// A limit on the requests per minute, evenly spaced; none for 0.
    pub(super) fn of(requests_per_minute: u32) -> Option<Self> {
        let gap = Duration::from_mins(1).checked_div(requests_per_minute)?;
        let next = Mutex::new(Instant::now());
        Some(Self { gap, next })
    }

    /// Waits for the caller's turn.
    pub(super) fn wait(&self) {
        thread::sleep(self.turn(Instant::now()));
    }

    /// How long to wait from `now` until the caller's turn. The turn is then taken.
    fn turn(&self, now: Instant) -> Duration {
        let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
        let turn = (*next).max(now);
        *next = turn + self.gap;
        turn - now
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn turns_are_a_gap_apart_and_time_that_passed_is_not_saved_up() {
        let pace = Pace::of(120).unwrap();
        let start = Instant::now();
        let at = |seconds: u64| start + Duration::from_secs(seconds);

        // By hand: 120 a minute are half a second apart.
        let waits = [at(1), at(1), at(1), at(9), at(9)].map(|now| pace.turn(now).as_millis());

        assert_eq!(waits, [0, 500, 1_000, 0, 500]);
        assert!(Pace::of(0).is_none());
    }
}
