//! How long the jobs of a plan will take and how much disk, from finished jobs that do about the same.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    fmt::Write as _,
    path::Path,
    time::Duration,
};

use rayon::prelude::*;
use serde::Serialize;
use serde_json::Value as Json;

use super::{
    output::{count, size},
    plan_steps::Step,
    progress::duration,
};
use crate::{
    disk::folders::free_bytes,
    plan::{JobId, Plan},
    results::{Finished, Store},
};

/// What a job will take.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(super) struct Cost {
    /// The time that is left.
    pub(super) seconds: f64,
    /// The bytes of its folder.
    pub(super) bytes: u64,
}

/// What the jobs that are not done will take.
#[derive(Debug, Default)]
pub(super) struct Costs {
    pub(super) by_job: BTreeMap<JobId, Cost>,
    /// The finished jobs that say so.
    from: BTreeSet<JobId>,
    /// How many jobs are like no finished one.
    unknown: usize,
}

/// What is known of a finished job.
type Measured = (u64, u64);

/// The costs of all jobs that would run.
pub(super) fn costs(plan: &Plan, steps: &[Step], store: &Store, finished: &Finished) -> Costs {
    let open = plan.jobs.iter().zip(steps);
    let open: Vec<_> = open.filter(|(_, step)| step.action.takes_time()).collect();
    if finished.is_empty() {
        return Costs {
            unknown: open.len(),
            ..Costs::default()
        };
    }
    let planned = plan.identities();
    let alike = |(job, _): &(&crate::plan::Job, &Step)| {
        let leaves = finished.leaves(&job.identity, &planned);
        finished.alike(&job.identity, &leaves)
    };
    let alike: Vec<Vec<(&JobId, &Json)>> = open.par_iter().map(alike).collect();
    let mut measured: HashMap<&JobId, Option<Measured>> = HashMap::new();
    let mut costs = Costs::default();
    for ((job, step), alike) in open.iter().zip(alike) {
        // The nearest job may have been killed once, so that nobody knows how long it took.
        let cost = alike.into_iter().find_map(|(id, identity)| {
            let ratio = work(&job.identity)? / work(identity)?;
            let dir = store.job_dir(id);
            let known = measured.entry(id);
            let (seconds, bytes) = (*known.or_insert_with(|| Some((dir.seconds()?, dir.bytes()))))?;
            costs.from.insert(id.clone());
            Some(Cost {
                seconds: seconds as f64 * ratio * (1.0 - step.done),
                bytes,
            })
        });
        match cost {
            Some(cost) => {
                costs.by_job.insert(job.id.clone(), cost);
            }
            None => costs.unknown += 1,
        }
    }
    costs
}

/// How much a job does, in a unit that jobs alike have in common: steps, or samples a task.
fn work(identity: &Json) -> Option<f64> {
    let train = identity
        .get("train")
        .and_then(|train| train.get("max_steps"));
    let eval = identity.get("eval").and_then(|eval| eval.get("samples"));
    let work = train.or(eval)?.as_f64()?;
    (work > 0.0).then_some(work)
}

impl Costs {
    /// The time of a job in words.
    pub(super) fn time(&self, job: &JobId) -> String {
        let cost = self.by_job.get(job);
        cost.map_or_else(|| "-".to_owned(), |cost| in_words(cost.seconds))
    }

    /// The sums, if a job would run.
    pub(super) fn lines(&self, slots: usize, results: &Path) -> Vec<String> {
        let open = self.by_job.len() + self.unknown;
        if open == 0 {
            return Vec::new();
        }
        if self.by_job.is_empty() {
            let text = "time and disk: not known, because no finished job does the same with the same model";
            return vec![text.to_owned()];
        }
        let seconds: f64 = self.by_job.values().map(|cost| cost.seconds).sum();
        let bytes: u64 = self.by_job.values().map(|cost| cost.bytes).sum();
        let slots = match slots {
            1 => String::new(),
            slots => format!(", {slots} jobs at a time"),
        };
        let mut line = format!(
            "time: {} of jobs{slots}, by {}",
            in_words(seconds),
            count(self.from.len(), "finished job")
        );
        if self.unknown > 0 {
            let _ = write!(
                line,
                "; {} not counted, like no finished one",
                count(self.unknown, "job")
            );
        }
        let free = free_bytes(results).map(|free| format!(" of {} free", size(free)));
        let disk = format!("disk: {}{}", size(bytes), free.unwrap_or_default());
        vec![line, disk]
    }
}

fn in_words(seconds: f64) -> String {
    // Finished jobs are timed to the second.
    duration(Duration::try_from_secs_f64(seconds.round().max(1.0)).unwrap_or(Duration::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_name_what_they_are_made_of_and_what_they_leave_out() {
        let id = |name: &str| JobId(name.to_owned());
        let cost = |seconds, bytes| Cost { seconds, bytes };
        let costs = Costs {
            by_job: BTreeMap::from([
                (id("train-1"), cost(3600.0, 1_000_000_000)),
                (id("eval-1"), cost(120.0, 1_000_000)),
            ]),
            from: BTreeSet::from([id("train-0")]),
            unknown: 2,
        };

        let lines = costs.lines(2, Path::new("/"));

        assert_eq!(
            lines[0],
            "time: 1h02m of jobs, 2 jobs at a time, by 1 finished job; 2 jobs not counted, like no finished one"
        );
        assert!(lines[1].starts_with("disk: 1.0 GB of "), "{}", lines[1]);
        assert_eq!(costs.time(&id("eval-1")), "2m00s");
        assert_eq!(costs.time(&id("eval-2")), "-");
    }
}
