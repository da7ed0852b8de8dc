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

use super::{output::count, plan_steps::Step, progress::duration};
use crate::{
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
        let (id, identity) = finished.nearest_alike(&job.identity, &leaves)?;
        Some((id.clone(), work(&job.identity)? / work(identity)?))
    };
    let alike: Vec<Option<(JobId, f64)>> = open.par_iter().map(alike).collect();
    let mut measured: HashMap<JobId, Option<Measured>> = HashMap::new();
    let mut costs = Costs::default();
    for ((job, step), alike) in open.iter().zip(alike) {
        let cost = alike.and_then(|(id, ratio)| {
            let dir = store.job_dir(&id);
            let known = measured.entry(id.clone());
            let (seconds, bytes) = (*known.or_insert_with(|| Some((dir.seconds()?, dir.bytes()))))?;
            costs.from.insert(id);
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

/// What is free where a folder is or will be.
fn free_bytes(folder: &Path) -> Option<u64> {
    let here = folder.ancestors().find(|folder| folder.exists());
    let here = here.unwrap_or(Path::new("."));
    let found = rustix::fs::statvfs(here).ok()?;
    Some(found.f_bavail.saturating_mul(found.f_frsize))
}

/// Bytes as people read them, in units of 10⁹, 10⁶ or 10³.
pub(super) fn size(bytes: u64) -> String {
    let bytes = bytes as f64;
    match bytes {
        1e9.. => format!("{:.1} GB", bytes / 1e9),
        1e6.. => format!("{:.0} MB", (bytes / 1e6).ceil()),
        _ => format!("{:.0} kB", (bytes / 1e3).ceil()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_the_unit_that_makes_them_short() {
        let sizes = [0, 1, 999_999, 1_000_000, 2_500_000_000].map(size);
        assert_eq!(sizes, ["0 kB", "1 kB", "1000 kB", "1 MB", "2.5 GB"]);
    }

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
