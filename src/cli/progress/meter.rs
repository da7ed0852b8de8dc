//! A count on its way to a total: a bar on a terminal, elsewhere a line now and then.

use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

use crate::cli::output;

/// Shows on stderr how far one piece of work is.
pub(super) struct Meter {
    bar: Option<ProgressBar>,
    interval: Interval,
}

impl Meter {
    /// A bar with this template of indicatif, or lines at least `pause` apart. The count starts at
    /// `position`.
    pub(super) fn new(template: &str, position: u64, total: Option<u64>, pause: Duration) -> Self {
        let bar = output::is_stderr_colourful().then(|| {
            let bar = total.map_or_else(ProgressBar::no_length, ProgressBar::new);
            bar.set_style(style(template));
            bar.set_position(position);
            // What was done earlier says nothing about the speed.
            bar.reset_eta();
            bar
        });
        Self {
            bar,
            interval: Interval::new(pause, Instant::now()),
        }
    }

    /// Shows the count: with `message` on the bar, or as `line` if one is due.
    pub(super) fn show(&mut self, position: u64, message: &str, line: impl FnOnce() -> String) {
        if let Some(bar) = &self.bar {
            bar.set_message(message.to_owned());
            bar.set_position(position);
        } else if self.interval.is_due(Instant::now()) {
            output::error_line(&line());
        }
    }

    /// Whether lines are printed in place of a bar.
    pub(super) fn prints_lines(&self) -> bool {
        self.bar.is_none()
    }

    /// Removes the bar.
    pub(super) fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

/// The style of every bar.
pub(super) fn style(template: &str) -> ProgressStyle {
    let style = ProgressStyle::with_template(template).expect("the template is well-formed");
    style.progress_chars("=>-")
}

/// Moments that are at least a pause apart.
#[derive(Debug)]
pub(super) struct Interval {
    pause: Duration,
    last: Instant,
}

impl Interval {
    /// The first moment comes a pause after `now`.
    pub(super) fn new(pause: Duration, now: Instant) -> Self {
        Self { pause, last: now }
    }

    /// Whether a moment has come; the pause then starts again.
    pub(super) fn is_due(&mut self, now: Instant) -> bool {
        let is_due = now.duration_since(self.last) >= self.pause;
        if is_due {
            self.last = now;
        }
        is_due
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::progress::{download, judging};

    #[test]
    fn moments_are_a_pause_apart() {
        let start = Instant::now();
        let mut interval = Interval::new(Duration::from_secs(30), start);

        let is_due =
            [0, 29, 30, 59, 60].map(|second| interval.is_due(start + Duration::from_secs(second)));

        assert_eq!(is_due, [false, false, true, false, true]);
    }

    #[test]
    fn the_templates_are_well_formed() {
        for template in [judging::TEMPLATE, download::TEMPLATE] {
            style(template);
        }
    }
}
