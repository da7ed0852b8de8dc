//! Events in words.

use std::{collections::BTreeMap, time::Duration};

use crate::{
    cli::output::count,
    plan::{Job, JobId, labels},
    report::percent,
    results::{Outcome, Progress, Store},
    schedule::Event,
};

/// The indentation of all lines of an event except the first.
const INDENT: &str = "\n        ";

/// Describes events, with what each job is about and its results.
pub(in crate::cli) struct Words<'a> {
    store: &'a Store,
    labels: BTreeMap<JobId, String>,
}

impl<'a> Words<'a> {
    pub(super) fn new(jobs: &[Job], store: &'a Store) -> Self {
        let every: Vec<&Job> = jobs.iter().collect();
        let labels = jobs
            .iter()
            .map(|job| job.id.clone())
            .zip(labels(&every))
            .collect();
        Self { store, labels }
    }

    /// What a job is about.
    pub(super) fn what(&self, job: &JobId) -> &str {
        self.labels.get(job).map_or("", String::as_str)
    }

    /// An event as a line; none if the event is not shown.
    pub(super) fn line(&self, event: &Event) -> Option<String> {
        Some(match event {
            Event::Queued { .. } => return None,
            Event::Reused { job } => self.about("reuse", job, &self.outcome(job)),
            Event::Held { job, owner } => {
                let owner = owner
                    .as_ref()
                    .map_or("another process".into(), ToString::to_string);
                self.about("wait", job, &format!("{owner} runs it"))
            }
            Event::Started { job, attempt, step } => self.start(job, *attempt, *step),
            Event::Progress { job, progress } => {
                self.about("at", job, &progress_in_words(progress))
            }
            Event::Done { job, seconds } => {
                let time = duration(Duration::from_secs_f64(seconds.max(0.0)));
                self.about("done", job, &format!("{}  {time}", self.outcome(job)))
            }
            Event::Failed {
                job,
                attempt,
                reason,
                log,
                again,
                wait_seconds,
                is_hopeless,
            } => {
                let again = match (again, is_hopeless, wait_seconds) {
                    (true, _, 0) => ", trying again".to_owned(),
                    (true, _, wait) => {
                        format!(", trying again in {}", duration(Duration::from_secs(*wait)))
                    }
                    (false, true, _) => {
                        ", not tried again: it would fail in the same way".to_owned()
                    }
                    (false, false, _) => String::new(),
                };
                let log = log.as_ref().map(|log| format!("\nlog: {}", log.display()));
                let text = format!("{reason}{}", log.unwrap_or_default()).replace('\n', INDENT);
                self.about("FAIL", job, &format!("attempt {attempt}{again}: {text}"))
            }
            Event::Blocked { job, by } => {
                self.about("block", job, &format!("needs {by}, which failed"))
            }
            Event::Stopping { running: 0 } => "stopping".to_owned(),
            Event::Stopping { running } => format!(
                "stopping: {} to finish the step and to save; once more (Ctrl-C) to stop at once",
                count(*running, "job")
            ),
            Event::Stopped { job } => self.about("stop", job, ""),
        })
    }

    fn start(&self, job: &JobId, attempt: u32, step: u64) -> String {
        let more = [
            (attempt > 1).then(|| format!("attempt {attempt}")),
            (step > 0).then(|| format!("after step {step}")),
        ];
        let verb = if step > 0 { "resume" } else { "start" };
        self.about(
            verb,
            job,
            &more.into_iter().flatten().collect::<Vec<_>>().join(", "),
        )
    }

    fn about(&self, verb: &str, job: &JobId, more: &str) -> String {
        let line = format!("{verb:8}{job}  {}  {more}", self.what(job));
        line.trim_end().to_owned()
    }

    /// The main results of a job that is done.
    fn outcome(&self, job: &JobId) -> String {
        match self.store.job_dir(job).outcome() {
            // The table has the others.
            Some(Outcome::Eval(outcome)) => outcome
                .metrics
                .get("pass@1")
                .map(|rate| format!("pass@1 {} %", percent(*rate)))
                .unwrap_or_default(),
            Some(Outcome::Train(outcome)) => {
                let steps = count(usize::try_from(outcome.steps).unwrap_or(usize::MAX), "step");
                let metric = |name| Some((name, outcome.final_metrics.get(name)?));
                match metric("reward").or_else(|| metric("loss")) {
                    Some((name, value)) => format!("{steps}  {name} {value:.2}"),
                    None => steps,
                }
            }
            None => String::new(),
        }
    }
}

/// How far a job is: `step 12/100  loss 1.5`.
pub(in crate::cli) fn progress_in_words(progress: &Progress) -> String {
    let Progress { step, of, message } = progress;
    format!(
        "step {step}/{of}{}",
        if message.is_empty() {
            String::new()
        } else {
            format!("  {message}")
        }
    )
}

/// A duration as `3.4s`, `34m12s` or `9h12m`.
pub(in crate::cli) fn duration(time: Duration) -> String {
    let seconds = time.as_secs();
    match seconds {
        0..10 => format!("{:.1}s", time.as_secs_f64()),
        10..60 => format!("{seconds}s"),
        60..3600 => format!("{}m{:02}s", seconds / 60, seconds % 60),
        _ => format!("{}h{:02}m", seconds / 3600, seconds / 60 % 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        plan::tests::fixture::job,
        results::{Owner, Timestamp, tests::fixture},
    };

    #[test]
    fn events_have_these_words() {
        let root = tempfile::tempdir().unwrap();
        let store = Store::new(root.path());
        let jobs = [job("eval-1", &[]), job("eval-2", &["train-1"])];
        let dir = store.job_dir(&jobs[0].id);
        dir.prepare(&jobs[0]).unwrap();
        dir.write_outcome(&fixture::outcome()).unwrap();

        let words = Words::new(&jobs, &store);
        let lines = events().map(|event| words.line(&event).unwrap());

        insta::assert_snapshot!(lines.join("\n"), @r"
        reuse   eval-1  small_arena on scratch s42  pass@1 50.0 %
        wait    eval-2  small_arena on train-1 s42  process 42 on node7 runs it
        start   eval-2  small_arena on train-1 s42
        resume  eval-2  small_arena on train-1 s42  attempt 2, after step 7
        at      eval-2  small_arena on train-1 s42  step 3/10  loss 1.50
        done    eval-1  small_arena on scratch s42  pass@1 50.0 %  1m35s
        FAIL    eval-2  small_arena on train-1 s42  attempt 1, trying again in 30s: error: no space left
                help: free some
                log: results/jobs/eval-2/attempts/1/stderr.log
        block   eval-2  small_arena on train-1 s42  needs train-1, which failed
        stopping: 2 jobs to finish the step and to save; once more (Ctrl-C) to stop at once
        stop    eval-2  small_arena on train-1 s42
        ");
    }

    fn events() -> [Event; 10] {
        let [one, two] = ["eval-1", "eval-2"].map(|id| JobId(id.into()));
        let job = two.clone();
        let owner = Owner {
            pid: 42,
            host: "node7".into(),
            since: Timestamp::from_unix_seconds(0),
        };
        let progress = Progress {
            step: 3,
            of: 10,
            message: "loss 1.50".into(),
        };
        let reason = "error: no space left\nhelp: free some".to_owned();
        let log = Some("results/jobs/eval-2/attempts/1/stderr.log".into());
        [
            Event::Reused { job: one.clone() },
            Event::Held {
                job: two.clone(),
                owner: Some(owner),
            },
            Event::Started {
                job: two.clone(),
                attempt: 1,
                step: 0,
            },
            Event::Started {
                job: two.clone(),
                attempt: 2,
                step: 7,
            },
            Event::Progress {
                job: two.clone(),
                progress,
            },
            Event::Done {
                job: one,
                seconds: 95.0,
            },
            Event::Failed {
                job: two.clone(),
                attempt: 1,
                reason,
                log,
                again: true,
                wait_seconds: 30,
                is_hopeless: false,
            },
            Event::Blocked {
                job: two,
                by: JobId("train-1".into()),
            },
            Event::Stopping { running: 2 },
            Event::Stopped { job },
        ]
    }

    #[test]
    fn times_have_two_figures_that_matter() {
        let cases = [
            (0.0, "0.0s"),
            (9.94, "9.9s"),
            (59.0, "59s"),
            (61.0, "1m01s"),
            (33_120.0, "9h12m"),
        ];
        for (seconds, text) in cases {
            assert_eq!(duration(Duration::from_secs_f64(seconds)), text);
        }
    }
}
