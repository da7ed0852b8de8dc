//! The processes that share one training: the worker, which leads, and its helpers.

use std::{
    io,
    os::{fd::AsFd as _, unix::net::UnixStream},
    path::Path,
    thread,
};

use rustix::process::Signal;
use signal_hook::{
    consts::{SIGINT, SIGTERM},
    iterator::{Handle, Signals},
};

use super::{StopFlag, WorkerError, die_with, train_job::Prepared};
use crate::{
    launch::{Helpers, ask_to_stop, threads_of_a_rank},
    model::LanguageModel,
    plan::Task,
    ranks::{Local, RankError, Ranks},
    results::{JobDir, in_words},
    train::{EvaluationRecord, NonFiniteRecord, Observer, SampleRecord, StepRecord},
};

/// The worker among the ranks of its job.
pub(super) struct Leader {
    ranks: Ranks,
    helpers: Helpers,
    /// Ends the thread that hands requests to stop to the helpers.
    requests: Option<Handle>,
}

impl Leader {
    /// Starts the other ranks; there are none if `ranks` is 1.
    pub(super) fn start(dir: &JobDir, ranks: usize) -> Result<Self, WorkerError> {
        if ranks < 2 {
            return Ok(Self {
                ranks: Ranks::alone(),
                helpers: Helpers::default(),
                requests: None,
            });
        }
        let threads = threads_of_a_rank(ranks);
        if let Some(threads) = threads {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads);
            // If something has used threads before, the ranks have more of them than processors, and are slower.
            let _ = pool.build_global();
        }
        let (helpers, links) = Helpers::start(dir.path(), ranks, threads)?;
        let mut leader = Self {
            ranks: Ranks::alone(),
            requests: Some(hand_on_requests(helpers.pids())?),
            helpers,
        };
        let met = Local::lead(links);
        leader.ranks = Ranks::new(met.map_err(|error| leader.explain(error))?);
        Ok(leader)
    }

    /// All ranks.
    pub(super) fn ranks(&self) -> &Ranks {
        &self.ranks
    }

    /// Why ranks could not go on, with the end of the process that is missing.
    pub(super) fn explain(&mut self, error: RankError) -> WorkerError {
        match error {
            RankError::Lost { rank } => WorkerError::RankEnded {
                rank,
                ranks: self.helpers.pids().len() + 1,
                ended: self.helpers.end_of(rank),
            },
            error => error.into(),
        }
    }
}

impl Drop for Leader {
    fn drop(&mut self) {
        if let Some(requests) = &self.requests {
            requests.close();
        }
    }
}

/// Hands each request to stop to other processes: they may be busy while this one waits for them.
fn hand_on_requests(pids: Vec<u32>) -> Result<Handle, WorkerError> {
    let mut signals = Signals::new([SIGTERM, SIGINT]).map_err(WorkerError::ListenForSignals)?;
    let handle = signals.handle();
    thread::spawn(move || {
        for _ in signals.forever() {
            ask_to_stop(&pids);
        }
    });
    Ok(handle)
}

/// Helps the worker of a job, to which standard input is a socket, until its training ends.
pub fn help(folder: &Path, worker: u32) -> Result<(), WorkerError> {
    // A helper has nothing to save.
    die_with(worker, Signal::KILL)?;
    let stop = StopFlag::on_signals().map_err(WorkerError::ListenForSignals)?;
    let link = io::stdin().as_fd().try_clone_to_owned();
    let link = UnixStream::from(link.map_err(RankError::from)?);
    let ranks = Ranks::new(Local::follow(link)?);
    let ended = help_with(folder, &ranks, stop);
    if let Err(error) = &ended {
        ranks.give_up(&in_words(error));
    }
    ended
}

fn help_with(folder: &Path, ranks: &Ranks, stop: StopFlag) -> Result<(), WorkerError> {
    let dir = JobDir::new(folder.to_owned());
    let job = dir.job()?.ok_or_else(|| WorkerError::NoJob {
        path: folder.to_owned(),
    })?;
    let Task::Train { train, .. } = &job.work.task else {
        return Err(WorkerError::NotShared(job.id));
    };
    let prepared = Prepared::load(&job.work, train, &dir, ranks.rank())?;
    prepared.train(&job.work, train, &dir, ranks, &mut Silent(stop))?;
    Ok(())
}

/// The observer of a helper: the worker writes the records.
struct Silent(StopFlag);

impl Observer for Silent {
    fn on_resume(&mut self, _: usize, _: usize) -> io::Result<()> {
        Ok(())
    }

    fn evaluate(&mut self, _: &LanguageModel, _: usize) -> io::Result<Option<EvaluationRecord>> {
        Err(io::Error::other("the first rank alone evaluates"))
    }

    fn on_step(&mut self, _: &StepRecord) -> io::Result<()> {
        Ok(())
    }

    fn on_sample(&mut self, _: &SampleRecord) -> io::Result<()> {
        Ok(())
    }

    fn on_non_finite(&mut self, _: &NonFiniteRecord) -> io::Result<()> {
        Ok(())
    }

    fn on_note(&mut self, _: &str) {}

    fn should_stop(&self) -> bool {
        self.0.is_set()
    }
}
