//! Moments, as files and people write them.

use std::{fmt, time::Duration};

use serde::{Deserialize, Serialize};

/// A moment, to the second, in universal time: `2026-11-22T17:20:08Z`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Timestamp(jiff::Timestamp);

impl Timestamp {
    /// This moment.
    pub fn now() -> Self {
        Self::from_unix_seconds(jiff::Timestamp::now().as_second().unsigned_abs())
    }

    /// The moment this many seconds after the beginning of 1970, at most the end of the year 9999.
    pub fn from_unix_seconds(seconds: u64) -> Self {
        let moment = i64::try_from(seconds).map(jiff::Timestamp::from_second);
        Self(match moment {
            Ok(Ok(moment)) => moment,
            _ => jiff::Timestamp::MAX,
        })
    }

    /// The seconds since then; none if the clock says that the moment is in the future.
    pub fn age(self) -> Duration {
        let age = jiff::Timestamp::now().duration_since(self.0);
        Duration::from_secs(u64::try_from(age.as_secs()).unwrap_or_default())
    }

    /// The time from an earlier moment to this one; none if it is later.
    pub fn since(self, earlier: Self) -> Duration {
        let length = self.0.duration_since(earlier.0);
        Duration::from_secs(u64::try_from(length.as_secs()).unwrap_or_default())
    }

    /// The time of day: `17:20:08Z`.
    pub fn time_of_day(self) -> String {
        self.0.strftime("%TZ").to_string()
    }

    /// The day and the minute: `2026-11-22 17:20`.
    pub fn date_and_time(self) -> String {
        self.0.strftime("%F %H:%M").to_string()
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}", self.0.strftime("%FT%TZ"))
    }
}

impl From<Timestamp> for String {
    fn from(moment: Timestamp) -> Self {
        moment.to_string()
    }
}

impl TryFrom<String> for Timestamp {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let moment = text.parse().map(Self);
        // One spelling a moment, so that a file that is read and written again stays the same.
        match moment {
            Ok(moment) if moment.to_string() == text => Ok(moment),
            _ => Err(format!(
                "`{text}` is no moment, expected `2026-11-22T17:20:08Z`"
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_those_of_the_command_date() {
        // Oracle: `date -u -d @SECONDS +%FT%TZ` (GNU coreutils 9.1).
        for (seconds, text) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_399, "2000-02-28T23:59:59Z"),
            (951_868_799, "2000-02-29T23:59:59Z"),
            (1_795_368_008, "2026-11-22T17:20:08Z"),
            (4_107_542_400, "2100-03-01T00:00:00Z"),
        ] {
            let moment = Timestamp::from_unix_seconds(seconds);
            assert_eq!(moment.to_string(), text);
            assert_eq!(Timestamp::try_from(text.to_owned()), Ok(moment));
        }
    }

    #[test]
    fn what_is_no_moment_is_refused() {
        for text in [
            "",
            "2026-11-22",
            "2026-13-01T00:00:00Z",
            "2026-02-29T00:00:00Z",
            "2026-11-22T17:20:08.5Z",
            "2026-11-22T17:20:08+01:00",
            "aTbZ",
        ] {
            assert!(Timestamp::try_from(text.to_owned()).is_err(), "{text}");
        }
    }

    #[test]
    fn people_read_the_day_and_the_minute() {
        // Oracle: `date -u -d @SECONDS '+%F %H:%M'` of GNU coreutils.
        for (seconds, expected) in [
            (0, "1970-01-01 00:00"),
            (951_825_599, "2000-02-29 11:59"),
            (1_735_689_599, "2024-12-31 23:59"),
            (1_795_373_340, "2026-11-22 18:49"),
        ] {
            let moment = Timestamp::from_unix_seconds(seconds);
            assert_eq!(moment.date_and_time(), expected);
        }
        let moment = Timestamp::from_unix_seconds(1_795_368_008);
        assert_eq!(moment.time_of_day(), "17:20:08Z");
    }

    #[test]
    fn the_time_between_two_moments_is_in_seconds() {
        let [early, late] = [1_795_368_008, 1_795_371_610].map(Timestamp::from_unix_seconds);
        assert_eq!(late.since(early), Duration::from_secs(3602));
        assert_eq!(early.since(late), Duration::ZERO);
    }

    #[test]
    fn the_future_has_no_age() {
        assert_eq!(Timestamp::from_unix_seconds(u64::MAX).age(), Duration::ZERO);
    }
}
