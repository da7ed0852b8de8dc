//! Ranks on one machine: bytes lie in files in memory, and sockets say when they are there.
//!
//! Each rank has two such files, which it fills in turn. A rank fills one again only after all have reported the next
//! round, before which they have read it.

use std::{
    fs::File,
    io::{self, Read as _, Write as _},
    os::{
        fd::{AsRawFd as _, OwnedFd},
        unix::{fs::FileExt as _, net::UnixStream},
    },
    path::{Path, PathBuf},
};

use rustix::fs::{MemfdFlags, memfd_create};
use serde::{Deserialize, Serialize};

use super::{Exchange, RankError};

/// The longest message on a socket; it has no more than a few numbers for each rank, or a reason.
const LONGEST_MESSAGE: usize = 1 << 20;

/// Ranks that are processes, or threads, of one machine.
#[derive(Debug)]
pub struct Local {
    rank: usize,
    /// Those of the first rank lead to all others in their order; those of another, to the first alone.
    links: Vec<UnixStream>,
    /// The two files of each rank.
    files: Vec<[File; 2]>,
    round: usize,
}

/// What goes over a socket.
#[derive(Debug, Serialize, Deserialize)]
enum Message {
    /// The files of a rank.
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
    /// The rank cannot go on.
    GivesUp(String),
}

impl Local {
    /// The first rank, which has a socket to each of the others.
    pub fn lead(links: Vec<UnixStream>) -> Result<Self, RankError> {
        let own = files()?;
        let mut paths = vec![own.each_ref().map(path)];
        for (index, link) in links.iter().enumerate() {
            match receive(link, index + 1)? {
                Message::Files(files) => paths.push(files),
                other => return Err(unexpected(other, index + 1)),
            }
        }
        for (index, link) in links.iter().enumerate() {
            let rank = index + 1;
            let files = paths.clone();
            send(link, &Message::Group { rank, files }, rank)?;
        }
        Self::new(0, links, own, paths)
    }

    /// Another rank, which has a socket to the first.
    pub fn follow(link: UnixStream) -> Result<Self, RankError> {
        let own = files()?;
        send(&link, &Message::Files(own.each_ref().map(path)), 0)?;
        match receive(&link, 0)? {
            Message::Group { rank, files } if (1..files.len()).contains(&rank) => {
                Self::new(rank, vec![link], own, files)
            }
            other => Err(unexpected(other, 0)),
        }
    }

    fn new(
        rank: usize,
        links: Vec<UnixStream>,
        own: [File; 2],
        paths: Vec<[PathBuf; 2]>,
    ) -> Result<Self, RankError> {
        let mut files = Vec::with_capacity(paths.len());
        let mut own = Some(own);
        for (of, [first, second]) in paths.into_iter().enumerate() {
            files.push(match own.take_if(|_| of == rank) {
                Some(own) => own,
                // A file in memory ends with the process that has made it.
                None => [open(&first, of)?, open(&second, of)?],
            });
        }
        Ok(Self {
            rank,
            links,
            files,
            round: 0,
        })
    }

    /// Waits until the pieces of all ranks are written, and returns their lengths: of each rank, to each rank.
    fn all_written(&self, own: Vec<usize>) -> Result<Vec<Vec<usize>>, RankError> {
        let count = self.files.len();
        let table = if self.rank == 0 {
            let mut table = vec![own];
            for (index, link) in self.links.iter().enumerate() {
                match receive(link, index + 1)? {
                    Message::Written(lengths) => table.push(lengths),
                    other => return Err(unexpected(other, index + 1)),
                }
            }
            let message = Message::AllWritten(table.clone());
            for (index, link) in self.links.iter().enumerate() {
                send(link, &message, index + 1)?;
            }
            table
        } else {
            send(&self.links[0], &Message::Written(own), 0)?;
            match receive(&self.links[0], 0)? {
                Message::AllWritten(table) => table,
                other => return Err(unexpected(other, 0)),
            }
        };
        let is_whole = table.len() == count && table.iter().all(|row| row.len() == count);
        let what = "a table of another size";
        is_whole
            .then_some(table)
            .ok_or(RankError::Garbled { rank: 0, what })
    }
}

impl Exchange for Local {
    fn rank(&self) -> usize {
        self.rank
    }

    fn count(&self) -> usize {
        self.files.len()
    }

    fn trade(&mut self, mut pieces: Vec<Vec<u8>>) -> Result<Vec<Vec<u8>>, RankError> {
        let turn = self.round % 2;
        self.round += 1;
        let own = std::mem::take(&mut pieces[self.rank]);
        let mut place = 0;
        for piece in &pieces {
            self.files[self.rank][turn].write_all_at(piece, place)?;
            place += piece.len() as u64;
        }
        let lengths = pieces.iter().map(Vec::len).collect();
        drop(pieces);
        let table = self.all_written(lengths)?;
        let mut own = Some(own);
        let mut received = Vec::with_capacity(table.len());
        for (from, lengths) in table.iter().enumerate() {
            if let Some(own) = own.take_if(|_| from == self.rank) {
                received.push(own);
                continue;
            }
            let place: usize = lengths[..self.rank].iter().sum();
            let mut piece = vec![0; lengths[self.rank]];
            self.files[from][turn].read_exact_at(&mut piece, place as u64)?;
            received.push(piece);
        }
        Ok(received)
    }

    fn give_up(&mut self, reason: &str) {
        let reason: String = reason.chars().take(LONGEST_MESSAGE / 16).collect();
        for link in &self.links {
            // Whoever has ended needs no reason.
            let _ = send(link, &Message::GivesUp(reason.clone()), 0);
        }
    }
}

/// The two files in memory of a rank.
fn files() -> Result<[File; 2], RankError> {
    let file = || -> Result<File, RankError> {
        let file: OwnedFd = memfd_create("recode-ranks", MemfdFlags::CLOEXEC)
            .map_err(|error| RankError::Exchange(error.into()))?;
        Ok(File::from(file))
    };
    Ok([file()?, file()?])
}

/// Where another process of this user can open a file in memory.
fn path(file: &File) -> PathBuf {
    format!("/proc/{}/fd/{}", std::process::id(), file.as_raw_fd()).into()
}

fn open(path: &Path, rank: usize) -> Result<File, RankError> {
    File::open(path).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => RankError::Lost { rank },
        _ => RankError::Exchange(error),
    })
}

fn send(mut link: &UnixStream, message: &Message, to: usize) -> Result<(), RankError> {
    let text = serde_json::to_vec(message).map_err(io::Error::from)?;
    let mut bytes = (text.len() as u64).to_le_bytes().to_vec();
    bytes.extend(text);
    link.write_all(&bytes).map_err(|error| lost(error, to))
}

fn receive(mut link: &UnixStream, from: usize) -> Result<Message, RankError> {
    let garbled = |what| RankError::Garbled { rank: from, what };
    let mut length = [0; 8];
    link.read_exact(&mut length)
        .map_err(|error| lost(error, from))?;
    let length = usize::try_from(u64::from_le_bytes(length)).unwrap_or(usize::MAX);
    if length > LONGEST_MESSAGE {
        return Err(garbled("a message that is too long"));
    }
    let mut text = vec![0; length];
    link.read_exact(&mut text)
        .map_err(|error| lost(error, from))?;
    serde_json::from_slice(&text).map_err(|_| garbled("an unknown message"))
}

/// A socket whose other end is closed means that the process is gone.
fn lost(error: io::Error, rank: usize) -> RankError {
    match error.kind() {
        io::ErrorKind::UnexpectedEof
        | io::ErrorKind::BrokenPipe
        | io::ErrorKind::ConnectionReset => RankError::Lost { rank },
        _ => RankError::Exchange(error),
    }
}

fn unexpected(message: Message, rank: usize) -> RankError {
    match message {
        Message::GivesUp(reason) => RankError::Failed { rank, reason },
        _ => RankError::Garbled {
            rank,
            what: "a message out of turn",
        },
    }
}
