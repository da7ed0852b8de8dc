//! Ranks on one machine: bytes lie in files in memory, and sockets say when they are there.
//!
//! Each rank has two such files, which it fills in turn. A rank fills one again only after all have reported the next
//! round, before which they have read it.

use std::{
    fs::File,
    io,
    os::{
        fd::{AsRawFd as _, OwnedFd},
        unix::{fs::FileExt as _, net::UnixStream},
    },
    path::{Path, PathBuf},
    time::Duration,
};

use rustix::fs::{MemfdFlags, memfd_create};

use super::{
    Exchange, RankError,
    link::{Limits, Link, Links, Socket},
    message::Message,
};

/// Ranks that are processes, or threads, of one machine.
#[derive(Debug)]
pub struct Local {
    rank: usize,
    /// Those of the first rank lead to all others in their order; those of another, to the first alone.
    links: Links,
    /// The two files of each rank.
    files: Vec<[File; 2]>,
    round: usize,
}

impl Local {
    /// The first rank, which has a socket to each of the others. A rank that lives is waited for as long as `patience`.
    pub fn lead(sockets: Vec<UnixStream>, patience: Duration) -> Result<Self, RankError> {
        let links = connect(sockets, 1, patience)?;
        let own = files()?;
        let mut paths = vec![own.each_ref().map(path)];
        for link in links.iter() {
            match Message::receive(link)? {
                Message::Files(files) => paths.push(files),
                other => return Err(other.unexpected(link.to())),
            }
        }
        for link in links.iter() {
            let (rank, files) = (link.to(), paths.clone());
            Message::Group { rank, files }.send(link)?;
        }
        Self::new(0, links, own, paths)
    }

    /// Another rank, which has a socket to the first.
    pub fn follow(socket: UnixStream, patience: Duration) -> Result<Self, RankError> {
        let links = connect(vec![socket], 0, patience)?;
        let own = files()?;
        Message::Files(own.each_ref().map(path)).send(&links[0])?;
        match Message::receive(&links[0])? {
            Message::Group { rank, files } if (1..files.len()).contains(&rank) => {
                Self::new(rank, links, own, files)
            }
            other => Err(other.unexpected(0)),
        }
    }

    fn new(
        rank: usize,
        links: Links,
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
            for link in self.links.iter() {
                match Message::receive(link)? {
                    Message::Written(lengths) => table.push(lengths),
                    other => return Err(other.unexpected(link.to())),
                }
            }
            let message = Message::AllWritten(table.clone());
            for link in self.links.iter() {
                message.send(link)?;
            }
            table
        } else {
            Message::Written(own).send(&self.links[0])?;
            match Message::receive(&self.links[0])? {
                Message::AllWritten(table) => table,
                other => return Err(other.unexpected(0)),
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
        for link in self.links.iter() {
            // Whoever has ended needs no reason.
            let _ = Message::gives_up(reason).send(link);
        }
    }
}

/// Sockets to ranks that follow one another, from `first` on.
fn connect(sockets: Vec<UnixStream>, first: usize, patience: Duration) -> Result<Links, RankError> {
    let limits = Limits::new(patience);
    let link = |(index, socket)| Link::new(first + index, Socket::Unix(socket), limits);
    let links = sockets.into_iter().enumerate().map(link);
    Ok(Links::new(links.collect::<Result<_, _>>()?, limits))
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
