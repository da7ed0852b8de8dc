//! Processes that work on one job together. Each is a rank: the first, rank 0, leads and writes; the others help.
//!
//! All ranks make the same calls in the same order, and each call waits for the others. Whoever waits for a rank whose
//! process has ended, hangs or is out of reach gets an error, so that nobody waits for ever. [`Local`] connects ranks
//! on one machine, [`Nodes`] those on several, which meet by an [`Invitation`].

mod address;
mod handshake;
mod link;
mod local;
mod meeting;
mod message;
mod nodes;
#[cfg(test)]
pub(crate) mod tests;

use std::{
    fmt::Debug,
    io,
    net::SocketAddr,
    ops::Range,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
};

use serde::{Serialize, de::DeserializeOwned};

pub use local::Local;
pub use meeting::{Invitation, Meeting};
pub use nodes::Nodes;

/// A way to send bytes between ranks.
pub trait Exchange: Debug + Send {
    /// The number of this rank, from 0.
    fn rank(&self) -> usize;

    /// How many ranks there are.
    fn count(&self) -> usize;

    /// How many ranks, this one included, share this machine.
    fn count_here(&self) -> usize {
        self.count()
    }

    /// Sends a piece to each rank, this one included, and returns the piece that each rank has sent to this one.
    fn trade(&mut self, pieces: Vec<Vec<u8>>) -> Result<Vec<Vec<u8>>, RankError>;

    /// Says to the others why this rank cannot go on.
    fn give_up(&mut self, reason: &str);
}

/// The ranks of a job, as one of them sees them.
#[derive(Clone, Debug, Default)]
pub struct Ranks(Option<Arc<Mutex<Box<dyn Exchange>>>>);

/// Why ranks cannot work together.
#[derive(Debug, thiserror::Error)]
pub enum RankError {
    /// The process of a rank has ended.
    #[error("the process of rank {rank} has ended")]
    Lost {
        /// The rank.
        rank: usize,
    },
    /// The process of a rank hangs, or is out of reach.
    #[error(
        "rank {rank} has sent no heartbeat for {seconds:.0} s: its process is stopped, or its node or the network is \
         down"
    )]
    Silent {
        /// The rank.
        rank: usize,
        /// For how long.
        seconds: f64,
    },
    /// The process of a rank lives, but does not do its part.
    #[error(
        "rank {rank} was waited for during {seconds:.0} s and has not done its part (`run.rank_timeout`): its work hangs, \
         or it takes longer than that"
    )]
    Late {
        /// The rank.
        rank: usize,
        /// For how long.
        seconds: f64,
    },
    /// Some ranks have not joined.
    #[error("these ranks did not join within {seconds:.0} s: {}", in_words(ranks))]
    Missing {
        /// These.
        ranks: Vec<usize>,
        /// For how long they were waited for.
        seconds: f64,
    },
    /// Another rank is not reached, or has another key.
    #[error("cannot join the rank at {address}")]
    Refused {
        /// Its address.
        address: SocketAddr,
        /// Why not.
        source: io::Error,
    },
    /// The invitation cannot be written or read.
    #[error("cannot write or read the invitation `{path}` of the ranks")]
    Invitation {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// Other nodes cannot reach this one by its name.
    #[error(
        "the name of this node has no address that other nodes reach; set `run.network` to an address in the network of \
         the nodes"
    )]
    NoAddress,
    /// A rank cannot go on.
    #[error("rank {rank} failed: {reason}")]
    Failed {
        /// The rank.
        rank: usize,
        /// Its reason.
        reason: String,
    },
    /// A rank has sent what this version of the program does not.
    #[error("rank {rank} has sent {what}, which is not what this rank expects")]
    Garbled {
        /// The rank.
        rank: usize,
        /// What it sent.
        what: &'static str,
    },
    /// The ranks read other inputs.
    #[error("rank {rank} has other settings, rows or weights than rank 0")]
    Different {
        /// The rank.
        rank: usize,
    },
    /// The system has no memory or no connection for the exchange.
    #[error("cannot exchange data with the other ranks")]
    Exchange(#[from] io::Error),
}

impl Ranks {
    /// One process without others.
    pub fn alone() -> Self {
        Self(None)
    }

    /// The ranks that an exchange connects.
    pub fn new(exchange: impl Exchange + 'static) -> Self {
        Self(Some(Arc::new(Mutex::new(Box::new(exchange)))))
    }

    /// The number of this rank, from 0.
    pub fn rank(&self) -> usize {
        self.0.as_ref().map_or(0, |exchange| lock(exchange).rank())
    }

    /// How many ranks there are.
    pub fn count(&self) -> usize {
        self.0.as_ref().map_or(1, |exchange| lock(exchange).count())
    }

    /// How many ranks share this machine, and so its processors.
    pub fn count_here(&self) -> usize {
        self.0
            .as_ref()
            .map_or(1, |exchange| lock(exchange).count_here())
    }

    /// Whether this rank leads and writes.
    pub fn is_first(&self) -> bool {
        self.rank() == 0
    }

    /// The part of `0..of` that is this rank's; the parts of all ranks follow one another.
    pub fn share(&self, of: usize) -> Range<usize> {
        share(of, self.rank(), self.count())
    }

    /// Sends a piece to each rank, and returns the piece from each.
    ///
    /// # Panics
    ///
    /// If the number of pieces is not that of the ranks.
    pub fn trade(&self, pieces: Vec<Vec<u8>>) -> Result<Vec<Vec<u8>>, RankError> {
        assert_eq!(pieces.len(), self.count(), "every rank gets a piece");
        match &self.0 {
            None => Ok(pieces),
            Some(exchange) => lock(exchange).trade(pieces),
        }
    }

    /// Sends the same to each rank, and returns what each has sent, in the order of ranks.
    pub fn gather(&self, bytes: Vec<u8>) -> Result<Vec<Vec<u8>>, RankError> {
        self.trade(vec![bytes; self.count()])
    }

    /// [`Self::gather`] of a value.
    pub fn gather_values<T: Serialize + DeserializeOwned>(
        &self,
        value: &T,
    ) -> Result<Vec<T>, RankError> {
        let bytes = serde_json::to_vec(value).map_err(io::Error::from)?;
        let read = |(rank, bytes): (usize, Vec<u8>)| {
            let what = "a value of another shape";
            serde_json::from_slice(&bytes).map_err(|_| RankError::Garbled { rank, what })
        };
        self.gather(bytes)?
            .into_iter()
            .enumerate()
            .map(read)
            .collect()
    }

    /// What the first rank says; the others pass nothing.
    pub fn first_says<T: Serialize + DeserializeOwned>(
        &self,
        value: Option<T>,
    ) -> Result<T, RankError> {
        // A list, because text has one word for a value that is `None` and for no value.
        let said: Vec<T> = value.into_iter().collect();
        let first = self.gather_values(&said)?.into_iter().next();
        first
            .and_then(|first| first.into_iter().next())
            .ok_or(RankError::Garbled {
                rank: 0,
                what: "nothing",
            })
    }

    /// Whether any rank says so.
    pub fn any(&self, flag: bool) -> Result<bool, RankError> {
        Ok(self.gather_values(&flag)?.contains(&true))
    }

    /// Says to the others why this rank cannot go on.
    pub fn give_up(&self, reason: &str) {
        if let Some(exchange) = &self.0 {
            lock(exchange).give_up(reason);
        }
    }
}

/// The part of `0..of` that belongs to rank `rank` of `count`.
pub fn share(of: usize, rank: usize, count: usize) -> Range<usize> {
    of * rank / count..of * (rank + 1) / count
}

fn in_words(ranks: &[usize]) -> String {
    let words: Vec<String> = ranks.iter().map(ToString::to_string).collect();
    words.join(", ")
}

fn lock(exchange: &Mutex<Box<dyn Exchange>>) -> std::sync::MutexGuard<'_, Box<dyn Exchange>> {
    exchange.lock().unwrap_or_else(PoisonError::into_inner)
}
