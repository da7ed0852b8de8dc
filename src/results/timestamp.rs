//! Moments, as files and people write them.

use std::{
    fmt,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use serde::{Deserialize, Serialize};

const DAY: u64 = 86_400;

/// A moment, to the second, in universal time: `2026-11-22T17:20:08Z`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Timestamp(u64);

impl Timestamp {
    /// This moment.
    pub fn now() -> Self {
        Self(
            SystemTime::now()
                .duration_since(UNIX_EPOCH)
                .unwrap_or_default()
                .as_secs(),
        )
    }

    /// The moment so many seconds after the beginning of 1970.
    pub fn from_unix_seconds(seconds: u64) -> Self {
        Self(seconds)
    }

    /// How long ago it was; nothing if a clock says that it is yet to come.
    pub fn age(self) -> Duration {
        Duration::from_secs(Self::now().0.saturating_sub(self.0))
    }

    /// The time of day: `17:20:08Z`.
    pub fn time_of_day(self) -> String {
        let second = self.0 % DAY;
        format!(
            "{:02}:{:02}:{:02}Z",
            second / 3600,
            second / 60 % 60,
            second % 60
        )
    }

    fn parse(text: &str) -> Option<Self> {
        let (date, time) = text.strip_suffix('Z')?.split_once('T')?;
        let numbers = |text: &str, mark| -> Option<[u64; 3]> {
            let parts: Option<Vec<u64>> =
                text.splitn(3, mark).map(|part| part.parse().ok()).collect();
            parts?.try_into().ok()
        };
        let [year, month, day] = numbers(date, '-')?;
        let [hour, minute, second] = numbers(time, ':')?;
        let in_range = (1970..10_000).contains(&year)
            && (1..=12).contains(&month)
            && (1..=days_in_month(year, month)).contains(&day)
            && hour < 24
            && minute < 60
            && second < 60;
        if !in_range {
            return None;
        }
        let days = (1970..year).map(days_in_year).sum::<u64>()
            + (1..month)
                .map(|month| days_in_month(year, month))
                .sum::<u64>();
        Some(Self(
            (days + day - 1) * DAY + hour * 3600 + minute * 60 + second,
        ))
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (mut days, mut year, mut month) = (self.0 / DAY, 1970, 1);
        while days >= days_in_year(year) {
            days -= days_in_year(year);
            year += 1;
        }
        while days >= days_in_month(year, month) {
            days -= days_in_month(year, month);
            month += 1;
        }
        write!(
            formatter,
            "{year:04}-{month:02}-{:02}T{}",
            days + 1,
            self.time_of_day()
        )
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
        Self::parse(&text)
            .ok_or_else(|| format!("`{text}` is no moment, expected `2026-11-22T17:20:08Z`"))
    }
}

fn is_leap(year: u64) -> bool {
    year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
}

fn days_in_year(year: u64) -> u64 {
    365 + u64::from(is_leap(year))
}

fn days_in_month(year: u64, month: u64) -> u64 {
    match month {
        2 => 28 + u64::from(is_leap(year)),
        4 | 6 | 9 | 11 => 30,
        _ => 31,
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
            assert_eq!(Timestamp(seconds).to_string(), text);
            assert_eq!(Timestamp::try_from(text.to_owned()), Ok(Timestamp(seconds)));
        }
    }

    #[test]
    fn what_is_no_moment_is_refused() {
        for text in [
            "",
            "2026-11-22",
            "2026-13-01T00:00:00Z",
            "2026-02-29T00:00:00Z",
            "aTbZ",
        ] {
            assert!(Timestamp::try_from(text.to_owned()).is_err(), "{text}");
        }
    }
}
