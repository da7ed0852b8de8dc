//! The formats of a table; each is one file with a function from a table to text.

mod csv;
mod json;
mod markdown;
mod tex;

pub(super) use json::json;

use super::table::Table;

/// A format's file ending, and the table in that format.
pub(super) type Format = (&'static str, fn(&Table) -> String);

/// All formats; each becomes a file `table.<ending>`.
pub(super) const ALL: &[Format] = &[
    ("md", markdown::markdown),
    ("csv", csv::csv),
    ("json", json::json),
    ("tex", tex::tex),
];

pub(super) use markdown::{Block, blocks, legend, markdown};

/// A share as percent with one decimal.
pub fn percent(share: f64) -> String {
    format!("{:.1}", without_negative_zero(share))
}

/// A change of shares in points, with its sign.
pub fn points(change: f64) -> String {
    format!("{:+.1}", without_negative_zero(change))
}

/// 100 times the share, rounded to a tenth, and 0 rather than -0.
fn without_negative_zero(share: f64) -> f64 {
    (share * 1000.0).round() / 10.0 + 0.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_half_is_rounded_away_from_zero_wherever_a_share_is_printed() {
        // 5 of 16 is 31.25 %, which `{:.1}` alone rounds to the even 31.2.
        assert_eq!(percent(5.0 / 16.0), "31.3");
        assert_eq!(points(-5.0 / 16.0), "-31.3");
        assert_eq!(points(-0.000_1), "+0.0");
    }
}
