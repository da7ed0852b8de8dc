//! The formats of a table; each is one file with a function from a table to text.

mod csv;
mod json;
mod markdown;

pub(super) use json::json;

use super::table::Table;

/// A format's file ending, and the table in that format.
pub(super) type Format = (&'static str, fn(&Table) -> String);

/// All formats; each becomes a file `table.<ending>`.
pub(super) const ALL: &[Format] = &[
    ("md", markdown::markdown),
    ("csv", csv::csv),
    ("json", json::json),
];

pub(super) use markdown::markdown;

/// A share as percent with one decimal.
fn percent(share: f64) -> String {
    format!("{:.1}", without_negative_zero(share))
}

/// A change of shares in points, with its sign.
fn points(change: f64) -> String {
    format!("{:+.1}", without_negative_zero(change))
}

/// 100 times the share, rounded to a tenth, and 0 rather than -0.
fn without_negative_zero(share: f64) -> f64 {
    (share * 1000.0).round() / 10.0 + 0.0
}
