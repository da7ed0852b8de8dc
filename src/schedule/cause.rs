//! Why an attempt failed, as far as it matters for the next one.

use std::time::Duration;

use crate::{launch::Ended, results::exit_code};

/// The longest pause before an attempt.
const LONGEST: Duration = Duration::from_mins(10);

/// What is short is not there again at once: such a pause is longer by this factor.
const PATIENCE: u32 = 15;

/// Why an attempt failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// The input or the settings: the next attempt would fail in the same way.
    Lasting,
    /// Memory, disk, an endpoint: what was short may be there later.
    Passing,
    /// Not known.
    Unknown,
}

impl Cause {
    /// The cause that the end of a worker shows.
    pub(super) fn of(ended: Ended) -> Self {
        match ended {
            // By the system, mostly: it kills what takes too much memory.
            Ended::Signal(9) | Ended::Code(exit_code::SHORTAGE) => Self::Passing,
            Ended::Code(exit_code::USAGE | exit_code::MISSING | exit_code::WRONG_INPUT) => {
                Self::Lasting
            }
            _ => Self::Unknown,
        }
    }

    /// The pause after the failure of that number, from 1: it doubles each time.
    pub(super) fn pause(self, first: Duration, failures: u32) -> Duration {
        let first = match self {
            Self::Passing => first.saturating_mul(PATIENCE),
            Self::Lasting | Self::Unknown => first,
        };
        let doublings = 2_u32.saturating_pow(failures.saturating_sub(1));
        first.saturating_mul(doublings).min(LONGEST)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_ten_minutes_and_are_longer_for_what_is_short() {
        let seconds = |cause: Cause, failures| {
            let pause = cause.pause(Duration::from_secs(2), failures);
            pause.as_secs()
        };

        let of = |cause| [1, 2, 3, 99].map(|failures| seconds(cause, failures));
        assert_eq!(of(Cause::Unknown), [2, 4, 8, 600]);
        assert_eq!(of(Cause::Passing), [30, 60, 120, 600]);
    }

    #[test]
    fn the_end_of_a_worker_shows_the_cause() {
        assert_eq!(Cause::of(Ended::Signal(9)), Cause::Passing);
        assert_eq!(Cause::of(Ended::Signal(11)), Cause::Unknown);
        assert_eq!(Cause::of(Ended::Code(1)), Cause::Unknown);
        assert_eq!(
            Cause::of(Ended::Code(exit_code::WRONG_INPUT)),
            Cause::Lasting
        );
        assert_eq!(Cause::of(Ended::Code(exit_code::SHORTAGE)), Cause::Passing);
    }
}
