//! What `recode run` would do with each job of a plan, and why.

use std::collections::{BTreeMap, BTreeSet};

use rayon::prelude::*;
use serde::Serialize;

use super::{
    code_drift::{Code, Drift},
    output::count,
};
use crate::{
    plan::{Job, JobId, Plan},
    results::{Finished, JobDir, JobState, Nearest, Outcome, Progress, Store},
};

/// The differences from the nearest finished job that a line has room for.
const MOST_DIFFERENCES: usize = 2;

/// What would happen to a job, and why.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Step {
    pub(super) action: Action,
    pub(super) why: String,
    /// The share of its steps that are done.
    #[serde(skip)]
    pub(super) done: f64,
    /// How the program has changed since the job was done.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) drift: Option<Drift>,
    /// The finished job that differs from it in the fewest values.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) nearest: Option<JobId>,
}

impl Step {
    fn new(action: Action, why: impl Into<String>) -> Self {
        Self {
            action,
            why: why.into(),
            done: 0.0,
            drift: None,
            nearest: None,
        }
    }

    /// Says why a job is new, by the finished job that is most like it.
    pub(super) fn compare(&mut self, nearest: Option<&Nearest>) {
        if let (Action::Run, Some(nearest)) = (self.action, nearest) {
            self.why = in_words(nearest);
            self.nearest = Some(nearest.job.clone());
        }
    }
}

/// What `run` would do with a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Action {
    Run,
    Resume,
    Retry,
    Again,
    Running,
    Reuse,
    Blocked,
}

impl Action {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Run => "run",
            Self::Resume => "resume",
            Self::Retry => "retry",
            Self::Again => "again",
            Self::Running => "running",
            Self::Reuse => "reuse",
            Self::Blocked => "blocked",
        }
    }

    /// Whether the job would be computed, or is.
    pub(super) fn takes_time(self) -> bool {
        !matches!(self, Self::Reuse | Self::Blocked)
    }
}

/// The steps of all jobs of a plan; `most` new jobs are compared with the finished ones.
pub(super) fn steps(
    plan: &Plan,
    store: &Store,
    finished: &Finished,
    rerun: bool,
    most: usize,
) -> Vec<Step> {
    let lacking = lacking(plan);
    let of = |job: &Job| step(job, &lacking, store);
    let mut steps: Vec<Step> = plan.jobs.par_iter().map(of).collect();
    let last = |(job, step): (&Job, &Step)| {
        let attempts = || store.job_dir(&job.id).provenance().attempts.pop();
        if step.action == Action::Reuse {
            attempts()
        } else {
            None
        }
    };
    let attempts: Vec<_> = plan.jobs.par_iter().zip(&steps).map(last).collect();
    if attempts.iter().any(Option::is_some) {
        let code = Code::here();
        for (step, attempt) in steps.iter_mut().zip(attempts) {
            step.drift = attempt.and_then(|attempt| code.since(&attempt));
        }
    }
    if rerun {
        mark_for_another_run(plan, &mut steps);
    }
    if finished.is_empty() {
        return steps;
    }
    let planned = plan.identities();
    let is_new = |(_, step): &(&Job, &mut Step)| step.action == Action::Run;
    let new: Vec<(&Job, &mut Step)> = plan.jobs.iter().zip(&mut steps).filter(is_new).collect();
    new.into_par_iter().take(most).for_each(|(job, step)| {
        let leaves = finished.leaves(&job.identity, &planned);
        step.compare(finished.nearest(&job.id, &leaves).as_ref());
    });
    steps
}

/// The finished jobs that `--rerun-on code` does again, with those that build on them.
pub(super) fn outdated(plan: &Plan, store: &Store) -> BTreeSet<JobId> {
    let code = Code::here();
    let mut outdated = BTreeSet::new();
    // A job comes after those that it needs.
    for job in &plan.jobs {
        let dir = store.job_dir(&job.id);
        let is_done = || dir.outcome_path().is_file();
        let builds_on_one = || job.after.iter().any(|id| outdated.contains(id));
        if is_done() && (builds_on_one() || code.drift(&dir).is_some()) {
            outdated.insert(job.id.clone());
        }
    }
    outdated
}

fn mark_for_another_run(plan: &Plan, steps: &mut [Step]) {
    let mut again: BTreeSet<&JobId> = BTreeSet::new();
    for (job, step) in plan.jobs.iter().zip(steps) {
        let upstream = job.after.iter().find(|id| again.contains(id));
        let why = match (step.action, &step.drift, upstream) {
            (Action::Reuse, Some(drift), _) => format!("the code has changed since {}", drift.what),
            (Action::Reuse, None, Some(id)) => format!("builds on {id}, which is done again"),
            _ => continue,
        };
        again.insert(&job.id);
        (step.action, step.why) = (Action::Again, why);
    }
}

/// What each job lacks on this machine.
fn lacking(plan: &Plan) -> BTreeMap<&JobId, Vec<&str>> {
    let mut lacking: BTreeMap<&JobId, Vec<&str>> = BTreeMap::new();
    for missing in &plan.missing {
        for id in &missing.needed_by {
            lacking.entry(id).or_default().push(&missing.name);
        }
    }
    lacking
}

fn step(job: &Job, lacking: &BTreeMap<&JobId, Vec<&str>>, store: &Store) -> Step {
    let dir = store.job_dir(&job.id);
    let state = match dir.outcome_of(job) {
        Ok(Some(outcome)) => return done(&dir, &outcome),
        Ok(None) => dir.state(),
        Err(error) => Err(error),
    };
    let state = match state {
        Ok(state) => state,
        Err(error) => return Step::new(Action::Blocked, error.to_string()),
    };
    let note = dir.note().and_then(|note| note.progress);
    let share = |step: u64, of: u64| step as f64 / of.max(1) as f64;
    match state {
        // It has ended since.
        JobState::Done => Step::new(Action::Reuse, "done, same identity"),
        JobState::Running {
            progress: Some(Progress { step, of, .. }),
            ..
        } => Step {
            done: share(step, of),
            ..Step::new(Action::Running, format!("at step {step} of {of}"))
        },
        JobState::Running { .. } => Step::new(Action::Running, "has just begun"),
        _ if lacking.contains_key(&job.id) => {
            let names = lacking[&job.id].join(", ");
            Step::new(Action::Blocked, format!("not here: {names}"))
        }
        JobState::Resumable { step } => Step {
            done: note.map_or(0.0, |note| share(step, note.of)),
            ..Step::new(Action::Resume, format!("interrupted after step {step}"))
        },
        JobState::Failed { reason } => {
            let first = reason.lines().next().unwrap_or_default();
            Step::new(Action::Retry, format!("failed: {first}"))
        }
        JobState::New => Step::new(Action::Run, "no result yet"),
    }
}

fn done(dir: &JobDir, outcome: &Outcome) -> Step {
    if outcome.as_train().is_some() && !dir.model().is_dir() {
        let why = "its model was removed; done again if a job needs it";
        Step::new(Action::Reuse, why)
    } else {
        Step::new(Action::Reuse, "done, same identity")
    }
}

/// Why a job is new, by the finished job that is most like it.
fn in_words(nearest: &Nearest) -> String {
    let all = nearest.differences.len();
    let first = nearest.differences.iter().take(MOST_DIFFERENCES);
    let mut words: Vec<String> = first.map(ToString::to_string).collect();
    if all > MOST_DIFFERENCES {
        words.push(count(all - MOST_DIFFERENCES, "more difference"));
    }
    if words.is_empty() {
        // Its name was that of an earlier version of the identity.
        words.push("nothing that is known".to_owned());
    }
    format!("new: {} (from {})", words.join(", "), nearest.job)
}
