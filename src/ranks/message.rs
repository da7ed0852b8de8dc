//! What ranks say to each other, besides the pieces themselves.

use std::{io, net::SocketAddr, path::PathBuf};

use serde::{Deserialize, Serialize};

use super::{RankError, link::Link};

/// The longest message; it has no more than a few numbers for each rank, or a reason.
const LONGEST: usize = 1 << 20;

/// A message over a [`Link`], as JSON.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Message {
    /// The files of a rank on this machine.
    Files([PathBuf; 2]),
    /// The number of the rank that reads this, and the files of all ranks.
    Group {
        rank: usize,
        files: Vec<[PathBuf; 2]>,
    },
    /// The pieces of a rank are written; they have these lengths.
    Written(Vec<usize>),
    /// The pieces of all ranks are.
    AllWritten(Vec<Vec<usize>>),
    /// Where the ranks listen that do not lead, in their order.
    Addresses(Vec<SocketAddr>),
    /// A piece of so many bytes follows.
    Piece(usize),
    /// The other rank's piece has arrived.
    Arrived,
    /// The rank cannot go on.
    GivesUp(String),
}

impl Message {
    pub(super) fn to_bytes(&self) -> Result<Vec<u8>, RankError> {
        Ok(serde_json::to_vec(self).map_err(io::Error::from)?)
    }

    pub(super) fn send(&self, link: &Link) -> Result<(), RankError> {
        link.send(&[&self.to_bytes()?])
    }

    pub(super) fn receive(link: &Link) -> Result<Self, RankError> {
        let text = link.receive(LONGEST)?;
        serde_json::from_slice(&text).map_err(|_| RankError::Garbled {
            rank: link.to(),
            what: "an unknown message",
        })
    }

    /// The message of a rank that cannot go on.
    pub(super) fn gives_up(reason: &str) -> Self {
        Self::GivesUp(reason.chars().take(LONGEST / 16).collect())
    }

    /// What is wrong with this message of a rank, which was not expected.
    pub(super) fn unexpected(self, rank: usize) -> RankError {
        match self {
            Self::GivesUp(reason) => RankError::Failed { rank, reason },
            _ => RankError::Garbled {
                rank,
                what: "a message out of turn",
            },
        }
    }
}
