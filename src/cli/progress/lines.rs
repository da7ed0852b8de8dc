//! Events as lines, for logs and for screen readers.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use super::{meter::Interval, words::Words};
use crate::{cli::output, plan::JobId, results::Timestamp, schedule::Event};

/// The least time between two lines about the progress of a job.
const PAUSE: Duration = Duration::from_secs(30);

/// A line for each event, with the time of day; progress at intervals.
pub(in crate::cli) struct Lines<'a> {
    words: Words<'a>,
    /// When the progress of each running job is due.
    intervals: BTreeMap<JobId, Interval>,
}

impl<'a> Lines<'a> {
    pub(super) fn new(words: Words<'a>) -> Self {
        Self {
            words,
            intervals: BTreeMap::new(),
        }
    }

    pub(super) fn hear(&mut self, event: &Event) {
        if self.is_due(event, Instant::now())
            && let Some(line) = self.words.line(event)
        {
            output::error_line(&format!("{}  {line}", Timestamp::now().time_of_day()));
        }
    }

    fn is_due(&mut self, event: &Event, now: Instant) -> bool {
        match event {
            Event::Started { job, .. } => {
                self.intervals
                    .insert(job.clone(), Interval::new(PAUSE, now));
                true
            }
            Event::Progress { job, .. } => {
                let interval = self.intervals.entry(job.clone());
                interval
                    .or_insert_with(|| Interval::new(PAUSE, now))
                    .is_due(now)
            }
            _ => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::results::{Progress, Store};

    #[test]
    fn progress_is_reported_at_most_every_half_minute_for_each_job() {
        let store = Store::new("results");
        let mut lines = Lines::new(Words::new(&[], &store));
        let start = Instant::now();
        let mut is_due = |job: &str, second| {
            let progress = Progress {
                step: second,
                of: 100,
                message: String::new(),
            };
            let event = Event::Progress {
                job: JobId(job.into()),
                progress,
            };
            lines.is_due(&event, start + Duration::from_secs(second))
        };

        assert!(!is_due("a", 0));
        assert!(!is_due("a", 29));
        assert!(!is_due("b", 29));
        assert!(is_due("a", 30));
        assert!(!is_due("a", 59));
        assert!(is_due("b", 59));
        assert!(is_due("a", 60));
    }
}
