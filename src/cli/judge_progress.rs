//! How far `recode judge` is: a bar on a terminal, a line now and then elsewhere.

use std::{
    io::{IsTerminal as _, stderr},
    time::{Duration, Instant},
};

use indicatif::{ProgressBar, ProgressStyle};

use super::output;

const TIME_BETWEEN_LINES: Duration = Duration::from_secs(10);

/// How far a run is.
pub(super) struct Progress {
    bar: Option<ProgressBar>,
    total: usize,
    done: usize,
    passed: usize,
    failures: usize,
    last_line: Instant,
}

impl Progress {
    /// A run of `total` samples; of all there are, the others were judged before.
    pub(super) fn new(total: usize, all: usize) -> Self {
        if total < all {
            let known = all - total;
            output::error_line(&format!(
                "{known} of {all} samples are equal to others or known"
            ));
        }
        let style =
            ProgressStyle::with_template("judging [{bar:30}] {pos}/{len}  {msg}  left {eta}");
        let bar = stderr()
            .is_terminal()
            .then(|| ProgressBar::new(total as u64));
        if let (Some(bar), Ok(style)) = (&bar, style) {
            bar.set_style(style.progress_chars("=>-"));
        }
        Self {
            bar,
            total,
            done: 0,
            passed: 0,
            failures: 0,
            last_line: Instant::now(),
        }
    }

    /// One more sample is done.
    pub(super) fn add(&mut self, is_pass: bool, is_failure: bool) {
        self.done += 1;
        self.passed += usize::from(is_pass);
        self.failures += usize::from(is_failure);
        let message = match self.failures {
            0 => format!("{} passed", self.passed),
            failures => format!("{} passed, {failures} not judged", self.passed),
        };
        if let Some(bar) = &self.bar {
            bar.set_message(message);
            bar.inc(1);
        } else if self.last_line.elapsed() > TIME_BETWEEN_LINES {
            self.last_line = Instant::now();
            output::error_line(&format!("judged {}/{}: {message}", self.done, self.total));
        }
    }

    /// Takes the bar away.
    pub(super) fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
