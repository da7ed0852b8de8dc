//! What one spec declares, after layering: points with final settings, and the table they fill.

use std::{collections::BTreeMap, path::PathBuf};

use super::{
    settings::{Point, ReportSettings, RunSettings},
    table::settings::TableSettings,
    warn::written::Written,
};

/// What one spec declares.
#[derive(Clone, Debug)]
pub struct Experiment {
    /// Its name, which is also the folder of its tables.
    pub name: String,
    /// What it is to show, in a sentence; may be empty.
    pub description: String,
    /// The paths in which points differ, in the order of the spec.
    pub axes: Vec<String>,
    /// The points of the grid, in the order of the spec; one, if there is no grid.
    pub points: Vec<Point>,
    /// The table.
    pub table: TableSettings,
    /// How to run; seeds and backend may differ from point to point, and are in `points`.
    pub run: RunSettings,
    /// Where the results are sent, too.
    pub report: ReportSettings,
    /// Where every value outside the grid was set, by its path, as a text for messages.
    pub origins: BTreeMap<String, String>,
    /// What somebody has written, for warnings.
    pub(super) written: Written,
}

impl Experiment {
    /// The spec, and all files that it includes.
    pub fn files(&self) -> Vec<PathBuf> {
        self.written.sources.files().map(PathBuf::from).collect()
    }
}
