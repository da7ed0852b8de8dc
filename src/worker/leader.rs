//! The worker as the first of the processes that share its job.

use std::{env, path::Path, thread};

use signal_hook::{
    consts::{SIGINT, SIGTERM, SIGUSR1},
    iterator::{Handle, Signals},
};

use super::{StopFlag, WorkerError};
use crate::{
    launch::{Helpers, Sharing, ask_to_stop, threads_of_a_rank},
    ranks::{Local, Meeting, RankError, Ranks},
    results::JobDir,
};

/// The worker among the ranks of its job.
pub(super) struct Leader {
    // Before the helpers: those on other nodes end when their connections do.
    ranks: Ranks,
    helpers: Helpers,
    count: usize,
    /// Ends the thread that hands requests to stop to the helpers.
    requests: Option<Handle>,
}

impl Leader {
    /// Starts the other ranks; there are none if there is one rank.
    pub(super) fn start(
        dir: &JobDir,
        sharing: &Sharing,
        stop: &StopFlag,
    ) -> Result<Self, WorkerError> {
        let mut leader = Self {
            ranks: Ranks::alone(),
            helpers: Helpers::default(),
            count: sharing.ranks.max(1),
            requests: None,
        };
        if sharing.ranks > 1 {
            let threads = use_threads(sharing.ranks_here());
            if sharing.nodes > 1 {
                leader.lead_nodes(dir, sharing, threads, stop)?;
            } else {
                leader.lead_here(dir, sharing, threads, stop)?;
            }
            if stop.is_set() {
                // It may have come before there was anybody to hand it to.
                ask_to_stop(&leader.helpers.pids());
            }
        }
        Ok(leader)
    }

    /// Starts and leads the ranks of this machine.
    fn lead_here(
        &mut self,
        dir: &JobDir,
        sharing: &Sharing,
        threads: Option<usize>,
        stop: &StopFlag,
    ) -> Result<(), WorkerError> {
        let (helpers, links) = Helpers::start(dir.path(), sharing, threads)?;
        self.requests = Some(hand_on_requests(helpers.pids())?);
        self.helpers = helpers;
        match Local::lead(links, sharing.patience) {
            Ok(met) => self.ranks = Ranks::new(met),
            // A request to stop ends a helper that does not listen for it yet.
            Err(_) if stop.is_set() => return Err(WorkerError::Stopped),
            Err(error) => return Err(self.explain(error)),
        }
        Ok(())
    }

    /// Starts the ranks of this machine, and those of other machines if Slurm can, and leads them all.
    fn lead_nodes(
        &mut self,
        dir: &JobDir,
        sharing: &Sharing,
        threads: Option<usize>,
        stop: &StopFlag,
    ) -> Result<(), WorkerError> {
        let shape = [sharing.ranks, sharing.nodes];
        let meeting = Meeting::open(dir.path(), sharing.network, shape, sharing.patience)?;
        let file = meeting.file().to_owned();
        self.helpers = Helpers::join(dir.path(), &file, 1..sharing.ranks_here(), threads)?;
        self.requests = Some(hand_on_requests(self.helpers.pids())?);
        let by_slurm = self
            .helpers
            .join_elsewhere(dir.path(), &file, sharing.nodes)?;
        let command = command(dir.path(), &file);
        if !by_slurm {
            tracing::warn!("waits for the ranks of other machines, which {command} starts there");
        }
        let helpers = &mut self.helpers;
        let mut ended = None;
        let met = meeting.wait(&mut || {
            ended = helpers.first_end();
            ended.is_none() && !stop.is_set()
        });
        match (met, ended) {
            (Ok(met), _) => self.ranks = Ranks::new(met),
            (Err(_), _) if stop.is_set() => return Err(WorkerError::Stopped),
            (Err(_), Some((0, ended))) => return Err(WorkerError::RanksNotStarted(ended)),
            (Err(_), Some((rank, ended))) => {
                return Err(WorkerError::RankEnded {
                    rank,
                    ranks: self.count,
                    ended: Some(ended),
                });
            }
            (Err(source @ RankError::Missing { .. }), None) if !by_slurm => {
                return Err(WorkerError::RanksMissing { source, command });
            }
            (Err(error), None) => return Err(self.explain(error)),
        }
        Ok(())
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
                ranks: self.count,
                ended: self.helpers.end_of(rank),
            },
            error @ (RankError::Silent { .. } | RankError::Late { .. }) => {
                WorkerError::RankHangs(error)
            }
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

/// Uses this process's part of the processors if so many ranks share them, and returns how many threads that is.
pub(super) fn use_threads(ranks: usize) -> Option<usize> {
    let threads = threads_of_a_rank(ranks);
    if let Some(threads) = threads {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads);
        // If something has used threads before, the ranks have more of them than processors, and are slower.
        let _ = pool.build_global();
    }
    threads
}

/// The command that starts the ranks of the first of the other machines, in words.
fn command(folder: &Path, invitation: &Path) -> String {
    let program = env::current_exe().unwrap_or_else(|_| "recode".into());
    format!(
        "`{} job {} --join {} --node 1` (and so on)",
        program.display(),
        folder.display(),
        invitation.display()
    )
}

/// Hands each request to stop to other processes: they may be busy while this one waits for them.
fn hand_on_requests(pids: Vec<u32>) -> Result<Handle, WorkerError> {
    let signals = Signals::new([SIGTERM, SIGINT, SIGUSR1]);
    let mut signals = signals.map_err(WorkerError::ListenForSignals)?;
    let handle = signals.handle();
    thread::spawn(move || {
        for _ in signals.forever() {
            ask_to_stop(&pids);
        }
    });
    Ok(handle)
}
