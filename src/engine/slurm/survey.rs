//! What stands where: the job folders, and what the queue says about those that are not done.

use std::collections::BTreeMap;

use super::{
    Client, SlurmError, Ticket,
    client::{Entry, TaskId},
};
use crate::{
    engine::EngineError,
    plan::{Job, JobId},
    results::{Holder, Owner, Store},
};

/// Where a job stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Its outcome is there.
    Done,
    /// A process holds its lock.
    Running(Option<Owner>),
    /// It is in the queue.
    Queued {
        /// The task, such as `12_3`.
        task: String,
        /// Slurm's word for the state, and the reason if there is one: `pending (Priority)`.
        words: String,
        /// The task's numbers.
        id: (u64, u32),
    },
    /// It is not in the queue. If it was, this is how it ended: `cancelled`.
    Open {
        /// How its last task ended, if Slurm knows that.
        ended: Option<String>,
    },
}

/// Where the jobs of some results stand.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Survey {
    /// The standing of each job.
    pub standings: BTreeMap<JobId, Standing>,
}

impl Survey {
    /// Looks at the folders of some jobs, and asks the queue once if one of them was submitted and is not done.
    pub fn of<'a>(
        jobs: impl IntoIterator<Item = &'a JobId>,
        store: &Store,
        client: &Client,
    ) -> Result<Self, EngineError> {
        let mut standings = BTreeMap::new();
        let mut tickets = BTreeMap::new();
        for id in jobs {
            let dir = store.job_dir(id);
            let standing = if dir.outcome().is_some() {
                Standing::Done
            } else if let Holder::Somebody(owner) = dir.holder()? {
                Standing::Running(owner)
            } else {
                if let Some(ticket) = Ticket::of(&dir) {
                    tickets.insert(id.clone(), ticket);
                }
                Standing::Open { ended: None }
            };
            standings.insert(id.clone(), standing);
        }
        if !tickets.is_empty() {
            standings.extend(look_up(&tickets, client)?);
        }
        Ok(Self { standings })
    }

    /// Whether a job neither is done nor runs nor waits in the queue.
    pub(super) fn is_open(&self, id: &JobId) -> bool {
        matches!(self.standings.get(id), None | Some(Standing::Open { .. }))
    }

    /// The task of a job that is in the queue.
    pub(super) fn task_of(&self, id: &JobId) -> Option<TaskId> {
        match self.standings.get(id)? {
            Standing::Queued { id, .. } => Some(*id),
            _ => None,
        }
    }
}

/// What the queue says of the jobs with tickets.
fn look_up(
    tickets: &BTreeMap<JobId, Ticket>,
    client: &Client,
) -> Result<BTreeMap<JobId, Standing>, SlurmError> {
    let queue = client.queue()?;
    // A ticket without a number is of a process that was killed while it submitted.
    let arrays: BTreeMap<&str, u64> = queue
        .iter()
        .map(|((job, _), entry)| (entry.comment.as_str(), *job))
        .collect();
    let number = |ticket: &Ticket| {
        ticket
            .job
            .or_else(|| arrays.get(ticket.comment.as_str()).copied())
    };
    let mut standings = BTreeMap::new();
    let mut gone: BTreeMap<TaskId, JobId> = BTreeMap::new();
    for (id, ticket) in tickets {
        let Some(job) = number(ticket) else { continue };
        let task = (job, ticket.task);
        match queue.get(&task) {
            Some(entry) if entry.comment == ticket.comment => {
                standings.insert(id.clone(), standing(task, entry));
            }
            // Slurm has counted its jobs from 1 once more, and this is the number of another one.
            Some(_) => {}
            None => {
                gone.insert(task, id.clone());
            }
        }
    }
    if !gone.is_empty() {
        let tasks: Vec<TaskId> = gone.keys().copied().collect();
        for (task, state) in client.ended(&tasks) {
            if let (Some(id), Some(words)) = (gone.get(&task), end_in_words(&state, "")) {
                let ended = Some(format!("{words} (Slurm job {}_{})", task.0, task.1));
                standings.insert(id.clone(), Standing::Open { ended });
            }
        }
    }
    Ok(standings)
}

fn standing(task: TaskId, entry: &Entry) -> Standing {
    let name = format!("{}_{}", task.0, task.1);
    if is_over(&entry.state) {
        let words = end_in_words(&entry.state, &entry.reason);
        let ended = words.map(|words| format!("{words} (Slurm job {name})"));
        return Standing::Open { ended };
    }
    let state = entry.state.to_lowercase();
    let words = match entry.reason.as_str() {
        "None" | "" => state,
        reason => format!("{state} ({reason})"),
    };
    Standing::Queued {
        task: name,
        words,
        id: task,
    }
}

/// Whether a task in this state never runs again by itself.
fn is_over(state: &str) -> bool {
    matches!(
        state,
        "COMPLETED"
            | "FAILED"
            | "CANCELLED"
            | "TIMEOUT"
            | "OUT_OF_MEMORY"
            | "NODE_FAIL"
            | "BOOT_FAIL"
            | "DEADLINE"
            | "REVOKED"
    )
}

/// How a task ended that left no outcome; nothing for one that Slurm has cancelled because what it waited for did not
/// succeed. The reason that a worker has left in its folder counts more.
fn end_in_words(state: &str, reason: &str) -> Option<&'static str> {
    Some(match (state, reason) {
        ("CANCELLED", "Dependency" | "DependencyNeverSatisfied") => return None,
        ("CANCELLED", _) => "cancelled",
        ("FAILED", _) => "failed, and its log in the folder `slurm` of the results says why",
        ("TIMEOUT", _) => "stopped at its time limit",
        ("OUT_OF_MEMORY", _) => "killed because it used more memory than `run.needs.memory`",
        ("NODE_FAIL", _) => "its node failed",
        ("BOOT_FAIL", _) => "its node did not boot",
        ("DEADLINE", _) => "its deadline passed",
        ("PREEMPTED", _) => "preempted, and not put back into the queue",
        _ => return None,
    })
}

/// Records in the job folders how tasks ended that could not record it themselves, so that `status`, `plan` and the
/// holes of tables say it without Slurm.
pub fn record_ends(survey: &Survey, jobs: &[Job], store: &Store) -> Result<(), EngineError> {
    for job in jobs {
        let Some(Standing::Open { ended: Some(words) }) = survey.standings.get(&job.id) else {
            continue;
        };
        let dir = store.job_dir(&job.id);
        dir.record_failure(dir.last_attempt(), words)?;
        Ticket::remove(&dir)?;
    }
    Ok(())
}
