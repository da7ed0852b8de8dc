//! Lengths of time, as people write them.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A length of time in whole minutes, such as `90m`, `20h` or `1d12h`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TimeLength {
    minutes: u32,
}

/// The units, the largest first, in minutes.
const UNITS: [(char, u32); 3] = [('d', 24 * 60), ('h', 60), ('m', 1)];

/// A year: no queue lets a job run longer.
const MOST: u32 = 366 * 24 * 60;

impl TimeLength {
    /// So many minutes.
    pub const fn minutes_long(minutes: u32) -> Self {
        Self { minutes }
    }

    /// Reads a length: whole numbers with the units `d`, `h` and `m` in this order, each at most once. None if the
    /// text is anything else, if the length is 0, or above a year.
    pub fn parse(text: &str) -> Option<Self> {
        let (mut minutes, mut rest) = (0_u32, text);
        for (unit, factor) in UNITS {
            let Some((number, after)) = rest.split_once(unit) else {
                continue;
            };
            if number.is_empty() || !number.bytes().all(|byte| byte.is_ascii_digit()) {
                return None;
            }
            let part = number.parse::<u32>().ok()?.checked_mul(factor)?;
            minutes = minutes.checked_add(part)?;
            rest = after;
        }
        (rest.is_empty() && (1..=MOST).contains(&minutes)).then_some(Self { minutes })
    }

    /// The length in minutes, at least 1.
    pub fn minutes(self) -> u32 {
        self.minutes
    }

    /// The length in seconds.
    pub fn seconds(self) -> u64 {
        u64::from(self.minutes) * 60
    }
}

impl fmt::Display for TimeLength {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rest = self.minutes;
        for (unit, factor) in UNITS {
            if rest >= factor {
                write!(formatter, "{}{unit}", rest / factor)?;
                rest %= factor;
            }
        }
        Ok(())
    }
}

impl TryFrom<String> for TimeLength {
    type Error = String;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::parse(&text).ok_or_else(|| format!("`{text}` is not a length of time such as `20h`"))
    }
}

impl From<TimeLength> for String {
    fn from(length: TimeLength) -> Self {
        length.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_length_has_units_from_the_largest_to_the_smallest() {
        // Worked by hand.
        for (text, minutes) in [
            ("90m", Some(90)),
            ("20h", Some(1200)),
            ("1d12h", Some(2160)),
            ("2d1h1m", Some(2941)),
            ("0m", None),
            ("12h1d", None),
            ("20", None),
            ("h", None),
            ("1h30", None),
            ("-1h", None),
            ("1.5h", None),
            ("400d", None),
            ("99999999999d", None),
            ("", None),
        ] {
            let length = TimeLength::parse(text).map(TimeLength::minutes);
            assert_eq!(length, minutes, "{text}");
        }
    }

    #[test]
    fn a_length_has_one_spelling() {
        for (text, written) in [("90m", "1h30m"), ("48h", "2d"), ("1d12h", "1d12h")] {
            assert_eq!(TimeLength::parse(text).unwrap().to_string(), written);
        }
    }
}
