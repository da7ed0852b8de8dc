//! One point of the grid: its settings, and whether they fit together.

mod contradictions;
mod files;
mod positions;
mod remote;
pub(in crate::spec) mod report;
pub(in crate::spec) mod resolve;

use super::settings::Settings;
use report::PointReport;

/// Checks the settings of a point, and completes the paths in them.
pub(in crate::spec) fn check(report: &mut PointReport<'_>, settings: &mut Settings) {
    contradictions::check(report, settings);
    positions::check(report, settings);
    if let Some(remote) = &settings.model.remote {
        remote::check(report, remote, settings);
    }
    for stage in &settings.stages {
        remote::teacher(report, stage);
    }
    files::check(report, settings);
}
