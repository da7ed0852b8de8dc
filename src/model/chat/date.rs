//! Dates in words, for templates that ask for the current date.

use std::time::SystemTime;

use jiff::{Timestamp, fmt::strtime};

/// The directives of Python's `strftime` that are supported; jiff formats all of them as Python does.
const DIRECTIVES: &str = "YymdBbAaHIpMSFT%";

/// Formats a moment as Python's `strftime` does, in UTC. A directive that is not supported is an error.
pub(super) fn strftime(moment: SystemTime, format: &str) -> Result<String, String> {
    let mut characters = format.chars();
    while let Some(character) = characters.next() {
        if character != '%' {
            continue;
        }
        let directive = characters.next();
        if !directive.is_some_and(|letter| DIRECTIVES.contains(letter)) {
            let directive: String = directive.into_iter().collect();
            return Err(format!(
                "unknown directive `%{directive}` of `strftime_now`"
            ));
        }
    }
    Timestamp::try_from(moment)
        .and_then(|moment| strtime::format(format, moment))
        .map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn moments_are_formatted_as_by_the_date_command() {
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
    }

    #[test]
    fn text_around_directives_is_kept_and_unknown_directives_are_refused() {
        let format = |format| strftime(SystemTime::UNIX_EPOCH, format);

        assert_eq!(
            format("Today, le %d août: %Y").unwrap(),
            "Today, le 01 août: 1970"
        );
        for unknown in ["%Q", "%-", "%", "%é"] {
            assert_eq!(
                format(unknown).unwrap_err(),
                format!("unknown directive `{unknown}` of `strftime_now`"),
            );
        }
    }
}
