//! Whether the keys of one layer exist, and their values fit.

pub(in crate::spec) mod correction;
pub(in crate::spec) mod report;
pub(in crate::spec) mod section;
mod unknown;
mod value;

use super::read::node::Node;
use report::Report;

/// Checks all of a layer but what is inside `[grid]`, and removes what cannot be used.
pub(in crate::spec) fn layer(report: &mut Report<'_>, root: &mut Node) {
    section::check(report, "", root);
}
