//! One job's way through a run.

use std::time::Instant;

use super::end::End;
use crate::{
    launch::Started,
    plan::{Job, JobId},
    results::{JobDir, Progress},
};

/// A job, and how far it is in this run.
pub(super) struct Track<'a> {
    pub(super) job: &'a Job,
    pub(super) dir: JobDir,
    /// The places of the jobs of this run that it needs.
    pub(super) needs: Vec<usize>,
    pub(super) phase: Phase,
    /// How often its worker has failed in this run.
    pub(super) failures: u32,
    /// When its next attempt may start.
    pub(super) not_before: Option<Instant>,
}

/// How far a job is.
pub(super) enum Phase {
    /// It waits for other jobs, or for a slot.
    Waiting,
    /// Another process runs it.
    Held,
    /// A worker of this run runs it.
    Running(Worker),
    /// It is over, for this run.
    Over(End),
}

/// A worker of this run.
pub(super) struct Worker {
    pub(super) process: Box<dyn Started>,
    pub(super) attempt: u32,
    pub(super) since: Instant,
    pub(super) progress: Option<Progress>,
    /// The devices that it alone may use.
    pub(super) devices: Vec<String>,
}

impl Track<'_> {
    pub(super) fn id(&self) -> &JobId {
        &self.job.id
    }

    pub(super) fn end(&self) -> Option<&End> {
        match &self.phase {
            Phase::Over(end) => Some(end),
            _ => None,
        }
    }

    pub(super) fn is_done(&self) -> bool {
        self.end().is_some_and(End::is_done)
    }

    /// Whether it has no attempt left.
    pub(super) fn is_failed(&self) -> bool {
        matches!(self.end(), Some(End::Failed { .. }))
    }

    /// Whether its pause before the next attempt is over.
    pub(super) fn has_waited(&self) -> bool {
        let is_over = |moment: Instant| moment <= Instant::now();
        matches!(self.phase, Phase::Waiting) && self.not_before.is_some_and(is_over)
    }

    pub(super) fn worker(&mut self) -> Option<&mut Worker> {
        match &mut self.phase {
            Phase::Running(worker) => Some(worker),
            _ => None,
        }
    }
}

/// How many jobs wait, are held, run and are over. A job leaves its phase in one direction while workers
/// are polled, and while jobs are started, so that each change of a phase changes the numbers.
pub(super) fn counts(tracks: &[Track<'_>]) -> [usize; 4] {
    let mut counts = [0; 4];
    for track in tracks {
        counts[match track.phase {
            Phase::Waiting => 0,
            Phase::Held => 1,
            Phase::Running(_) => 2,
            Phase::Over(_) => 3,
        }] += 1;
    }
    counts
}

#[cfg(test)]
thread_local! {
    /// How often this thread has searched all jobs for ready ones.
    pub(super) static SEARCHES: std::cell::Cell<usize> = const { std::cell::Cell::new(0) };
}

/// The positions of the jobs that may start now, as all jobs that they need are done.
pub(super) fn ready(tracks: &[Track<'_>]) -> Vec<usize> {
    #[cfg(test)]
    SEARCHES.with(|searches| searches.set(searches.get() + 1));
    let is_ready = |track: &Track<'_>| {
        let is_done = |place: &usize| tracks[*place].is_done();
        let may_start = track.not_before.is_none() || track.has_waited();
        matches!(track.phase, Phase::Waiting) && may_start && track.needs.iter().all(is_done)
    };
    (0..tracks.len())
        .filter(|position| is_ready(&tracks[*position]))
        .collect()
}

/// The first job at `from` or after it that can never start, and the failed job that it needs, directly or
/// not.
pub(super) fn blocked(tracks: &[Track<'_>], from: usize) -> Option<(usize, JobId)> {
    let culprit = |place: &usize| {
        let track = &tracks[*place];
        match track.end()? {
            End::Failed { .. } => Some(track.id().clone()),
            End::Blocked { by } => Some(by.clone()),
            _ => None,
        }
    };
    tracks
        .iter()
        .enumerate()
        .skip(from)
        .find_map(|(position, track)| {
            let waits = matches!(track.phase, Phase::Waiting);
            let by = track.needs.iter().find_map(culprit).filter(|_| waits)?;
            Some((position, by))
        })
}
