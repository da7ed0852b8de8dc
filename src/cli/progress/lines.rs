//! Events as lines, for logs and for those who read with their ears.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use super::words::Words;
use crate::{cli::output, plan::JobId, results::Timestamp, schedule::Event};

/// The least time between two lines about the progress of a job.
const PAUSE: Duration = Duration::from_secs(30);

/// One line an event, with the time of day; progress now and then.
pub(in crate::cli) struct Lines<'a> {
    words: Words<'a>,
    /// When each running job was last heard of.
    last: BTreeMap<JobId, Instant>,
}

impl<'a> Lines<'a> {
    pub(super) fn new(words: Words<'a>) -> Self {
        Self {
            words,
            last: BTreeMap::new(),
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
                self.last.insert(job.clone(), now);
                true
            }
            Event::Progress { job, .. } => {
                let last = self.last.entry(job.clone()).or_insert(now);
                let is_due = now.duration_since(*last) >= PAUSE;
                if is_due {
                    *last = now;
                }
                is_due
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
    fn progress_is_told_at_most_every_half_minute_for_each_job() {
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
