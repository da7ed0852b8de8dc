//! Gain and forgetting against the distance of the training targets from the model: a panel for each column of the
//! table, a line for each way of training.

mod data;
mod picture;

use crate::report::table::Table;

#[cfg(test)]
pub(in crate::report) use data::tests;
pub(in crate::report) use data::{ABOUT, AXIS, Distances, Measured};

/// The name of the figure's file.
pub(super) const FILE: &str = "distance.svg";

/// The figure of a table, if its trainings have measured enough targets.
pub(super) fn svg(table: &Table) -> Option<String> {
    let distances = Distances::of(table)?;
    Some(picture::svg(&table.experiment, &distances))
}
