//! Events as bars on a terminal: one for all jobs, and one for each running job.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget};

use super::{
    meter::style,
    words::{Words, duration},
};
use crate::{
    plan::JobId,
    results::{Progress, Timestamp},
    schedule::Event,
};

/// Bars that are redrawn; jobs that have ended scroll above them as lines.
pub(in crate::cli) struct Bars<'a> {
    words: Words<'a>,
    all: MultiProgress,
    whole: ProgressBar,
    running: BTreeMap<JobId, Row>,
}

/// The bar of a running job.
struct Row {
    bar: ProgressBar,
    since: Instant,
    /// The first step that this attempt has reported.
    first: Option<u64>,
}

impl<'a> Bars<'a> {
    pub(super) fn new(experiment: &str, jobs: usize, words: Words<'a>) -> Self {
        let all = MultiProgress::with_draw_target(ProgressDrawTarget::stderr());
        let whole = all.add(ProgressBar::new(jobs as u64));
        whole.set_style(style(
            "{prefix} [{bar:24}] {pos}/{len}  {msg}  elapsed {elapsed}",
        ));
        whole.set_prefix(experiment.to_owned());
        whole.enable_steady_tick(Duration::from_secs(1));
        Self {
            words,
            all,
            whole,
            running: BTreeMap::new(),
        }
    }

    pub(super) fn hear(&mut self, event: &Event) {
        match event {
            Event::Reused { .. } | Event::Blocked { .. } => self.whole.inc(1),
            Event::Started { job, .. } => self.add(job),
            Event::Progress { job, progress } => {
                if let Some(row) = self.running.get_mut(job) {
                    row.show(progress);
                }
            }
            Event::Failed { job, again, .. } => {
                self.remove(job);
                self.whole.inc(u64::from(!again));
            }
            Event::Done { job, .. } => {
                self.remove(job);
                self.whole.inc(1);
            }
            Event::Held { job, .. } | Event::Stopped { job } => self.remove(job),
            Event::Queued { .. } | Event::Stopping { .. } => {}
        }
        self.whole
            .set_message(format!("{} running", self.running.len()));
        let is_over = !matches!(event, Event::Progress { .. } | Event::Started { .. });
        if is_over && let Some(line) = self.words.line(event) {
            // It fails only if the terminal is gone.
            let _ = self
                .all
                .println(format!("{}  {line}", Timestamp::now().time_of_day()));
        }
    }

    pub(super) fn finish(&self) {
        for row in self.running.values() {
            row.bar.finish_and_clear();
        }
        self.whole.finish_and_clear();
    }

    fn add(&mut self, job: &JobId) {
        let bar = self.all.add(ProgressBar::new(1));
        bar.set_style(style("  {prefix} [{bar:20}] {wide_msg}"));
        bar.set_prefix(format!("{job}  {}", self.words.what(job)));
        bar.set_message("starting");
        self.running.insert(
            job.clone(),
            Row {
                bar,
                since: Instant::now(),
                first: None,
            },
        );
    }

    fn remove(&mut self, job: &JobId) {
        if let Some(row) = self.running.remove(job) {
            row.bar.finish_and_clear();
            self.all.remove(&row.bar);
        }
    }
}

impl Row {
    fn show(&mut self, progress: &Progress) {
        let first = *self.first.get_or_insert_with(|| {
            // The time to load the model is not part of a step.
            self.since = Instant::now();
            progress.step
        });
        self.bar.set_length(progress.of);
        self.bar.set_position(progress.step);
        let left = left(progress, first, self.since.elapsed());
        self.bar
            .set_message(format!("{}{left}", super::progress_in_words(progress)));
    }
}

/// The time that is left, as `  left 50m00s`; empty until a step has been completed.
fn left(progress: &Progress, first: u64, elapsed: Duration) -> String {
    let steps = progress.step.saturating_sub(first);
    if steps == 0 {
        return String::new();
    }
    let step = elapsed.as_secs_f64() / steps as f64;
    let left = Duration::from_secs_f64(step * progress.of.saturating_sub(progress.step) as f64);
    format!("  left {}", duration(left))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{plan::tests::fixture::job, results::Store};

    #[test]
    fn the_time_left_counts_from_the_first_step_that_was_seen() {
        let progress = Progress {
            step: 30,
            of: 90,
            message: String::new(),
        };

        // By hand: 20 steps in 40 s are 2 s each; 60 are left.
        assert_eq!(left(&progress, 10, Duration::from_secs(40)), "  left 2m00s");
        assert_eq!(left(&progress, 30, Duration::from_secs(40)), "");
    }

    #[test]
    fn the_bar_of_all_jobs_counts_those_that_are_over() {
        let store = Store::new("results");
        let jobs = [job("eval-1", &[]), job("eval-2", &[]), job("eval-3", &[])];
        let mut bars = Bars::new("x", jobs.len(), Words::new(&jobs, &store));
        bars.all.set_draw_target(ProgressDrawTarget::hidden());
        let [one, two, three] = jobs.map(|job| job.id);
        let failed = |again| Event::Failed {
            job: two.clone(),
            attempt: 1,
            reason: "x".into(),
            log: None,
            again,
            wait_seconds: 0,
            is_hopeless: false,
        };

        bars.hear(&Event::Reused { job: one });
        bars.hear(&Event::Started {
            job: two.clone(),
            attempt: 1,
            step: 0,
        });
        bars.hear(&failed(true));
        assert_eq!((bars.whole.position(), bars.running.len()), (1, 0));
        bars.hear(&Event::Started {
            job: two.clone(),
            attempt: 2,
            step: 0,
        });
        bars.hear(&failed(false));
        bars.hear(&Event::Started {
            job: three.clone(),
            attempt: 1,
            step: 0,
        });
        assert_eq!((bars.whole.position(), bars.running.len()), (2, 1));
        bars.hear(&Event::Done {
            job: three,
            seconds: 1.0,
        });
        assert_eq!((bars.whole.position(), bars.running.len()), (3, 0));
        bars.finish();
    }
}
