//! The progress of `recode judge`.

use std::time::Duration;

use super::meter::Meter;
use crate::cli::output;

/// The least time between two lines.
const PAUSE: Duration = Duration::from_secs(10);

pub(super) const TEMPLATE: &str = "judging [{bar:30}] {pos}/{len}  {msg}  left {eta}";

/// Shows how many samples are judged.
pub(in crate::cli) struct JudgingProgress {
    meter: Meter,
    total: usize,
    judged: usize,
    passed: usize,
    failures: usize,
}

impl JudgingProgress {
    /// Starts to judge `total` of `all` samples; the verdicts of the others are known.
    pub(in crate::cli) fn new(total: usize, all: usize) -> Self {
        if total < all {
            let known = all - total;
            output::error_line(&format!(
                "{known} of {all} samples are equal to others or known"
            ));
        }
        Self {
            meter: Meter::new(TEMPLATE, 0, Some(total as u64), PAUSE),
            total,
            judged: 0,
            passed: 0,
            failures: 0,
        }
    }

    /// Counts a sample that was judged, or could not be.
    pub(in crate::cli) fn add(&mut self, has_passed: bool, is_failure: bool) {
        self.judged += 1;
        self.passed += usize::from(has_passed);
        self.failures += usize::from(is_failure);
        let message = match self.failures {
            0 => format!("{} passed", self.passed),
            failures => format!("{} passed, {failures} not judged", self.passed),
        };
        let (judged, total) = (self.judged, self.total);
        self.meter.show(judged as u64, &message, || {
            format!("judged {judged}/{total}: {message}")
        });
    }

    /// Removes the bar.
    pub(in crate::cli) fn finish(&self) {
        self.meter.finish();
    }
}
