//! `table.json`: every figure with the jobs, seeds and samples that it rests on.

use crate::report::Table;

/// The whole table, shares in 0..=1.
pub(in crate::report) fn json(table: &Table) -> String {
    let mut text = serde_json::to_string_pretty(table).expect("a table has only finite numbers");
    text.push('\n');
    text
}
