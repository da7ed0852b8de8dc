//! Dates in words, for templates that tell a model what day it is.

use std::time::SystemTime;

use crate::calendar;

const WEEKDAYS: [&str; 7] = [
    "Thursday",
    "Friday",
    "Saturday",
    "Sunday",
    "Monday",
    "Tuesday",
    "Wednesday",
];

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];

/// A moment by Python's `strftime`, in UTC; a directive that is not known here is refused.
pub(super) fn strftime(moment: SystemTime, format: &str) -> Result<String, String> {
    let seconds = moment
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default()
        .as_secs();
    let days = seconds / 86_400;
    let (hour, minute, second) = (seconds / 3600 % 24, seconds / 60 % 60, seconds % 60);
    let (year, month, day) = calendar::date(days);
    let weekday = WEEKDAYS[usize::try_from(days % 7).unwrap_or_default()];
    let month_name = MONTHS[usize::try_from(month).unwrap_or(1) - 1];
    let mut text = String::new();
    let mut characters = format.chars();
    while let Some(character) = characters.next() {
        if character != '%' {
            text.push(character);
            continue;
        }
        let hour_of_half = if hour % 12 == 0 { 12 } else { hour % 12 };
        let words = match characters.next() {
            Some('Y') => year.to_string(),
            Some('y') => format!("{:02}", year % 100),
            Some('m') => format!("{month:02}"),
            Some('d') => format!("{day:02}"),
            Some('B') => month_name.to_owned(),
            Some('b') => month_name.chars().take(3).collect(),
            Some('A') => weekday.to_owned(),
            Some('a') => weekday.chars().take(3).collect(),
            Some('H') => format!("{hour:02}"),
            Some('I') => format!("{hour_of_half:02}"),
            Some('p') => if hour < 12 { "AM" } else { "PM" }.to_owned(),
            Some('M') => format!("{minute:02}"),
            Some('S') => format!("{second:02}"),
            Some('F') => format!("{year}-{month:02}-{day:02}"),
            Some('T') => format!("{hour:02}:{minute:02}:{second:02}"),
            Some('%') => "%".to_owned(),
            other => {
                let directive: String = other.into_iter().collect();
                return Err(format!(
                    "unknown directive `%{directive}` of `strftime_now`"
                ));
            }
        };
        text.push_str(&words);
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn moments_are_told_as_by_the_date_command() {
        // Oracle: `LC_ALL=C date -u -d @SECONDS '+%A %a %d %B %b %Y %y %m %H %I %p %M %S %F %T %%'`.
        let cases = [
            (
                0,
                "Thursday Thu 01 January Jan 1970 70 01 00 12 AM 00 00 1970-01-01 00:00:00 %",
            ),
            (
                951_825_599,
                "Tuesday Tue 29 February Feb 2000 00 02 11 11 AM 59 59 2000-02-29 11:59:59 %",
            ),
            (
                1_795_373_340,
                "Sunday Sun 22 November Nov 2026 26 11 18 06 PM 49 00 2026-11-22 18:49:00 %",
            ),
        ];
        let format = "%A %a %d %B %b %Y %y %m %H %I %p %M %S %F %T %%";
        for (seconds, expected) in cases {
            let moment = SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
            assert_eq!(strftime(moment, format).unwrap(), expected);
        }
        assert!(strftime(SystemTime::UNIX_EPOCH, "%Q").is_err());
    }
}
