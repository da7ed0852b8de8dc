//! The worker as the first of the processes that share its job.

use std::thread;

use signal_hook::{
    consts::{SIGINT, SIGTERM},
    iterator::{Handle, Signals},
};

use super::{StopFlag, WorkerError};
use crate::{
    launch::{Helpers, ask_to_stop, threads_of_a_rank},
    ranks::{Local, RankError, Ranks},
    results::JobDir,
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
    pub(super) fn start(dir: &JobDir, ranks: usize, stop: &StopFlag) -> Result<Self, WorkerError> {
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
        match Local::lead(links) {
            Ok(met) => leader.ranks = Ranks::new(met),
            // A request to stop ends a helper that does not listen for it yet.
            Err(_) if stop.is_set() => return Err(WorkerError::Stopped),
            Err(error) => return Err(leader.explain(error)),
        }
        if stop.is_set() {
            // It may have come before there was anybody to hand it to.
            ask_to_stop(&leader.helpers.pids());
        }
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
