//! Ranks on several nodes: each has a connection to each other one.

use std::{sync::mpsc, thread};

use super::{
    Exchange, RankError,
    link::{Limits, Link, Links},
    message::Message,
};

/// Ranks that are processes on any machines.
#[derive(Debug)]
pub struct Nodes {
    rank: usize,
    /// Those to all other ranks, in their order.
    links: Links,
    /// How many ranks are on each machine.
    here: usize,
}

impl Nodes {
    /// A rank with its links to all others, in their order; `here` ranks are on each machine.
    pub(super) fn new(rank: usize, links: Vec<Link>, here: usize, limits: Limits) -> Self {
        Self {
            rank,
            links: Links::new(links, limits),
            here,
        }
    }
}

impl Exchange for Nodes {
    fn rank(&self) -> usize {
        self.rank
    }

    fn count(&self) -> usize {
        self.links.len() + 1
    }

    fn count_here(&self) -> usize {
        self.here
    }

    fn trade(&mut self, mut pieces: Vec<Vec<u8>>) -> Result<Vec<Vec<u8>>, RankError> {
        let own = std::mem::take(&mut pieces[self.rank]);
        let (links, mut received) = (&self.links, vec![Vec::new(); pieces.len()]);
        received[self.rank] = own;
        let mut first_error = None;
        thread::scope(|scope| {
            let (said, heard) = mpsc::channel();
            for link in links.iter() {
                let (piece, said) = (&pieces[link.to()], said.clone());
                // Both at once: all ranks send before they have received.
                scope.spawn(move || {
                    // Who waits for the same rank hears of an error, with its reason.
                    let head = Message::Piece(piece.len()).to_bytes();
                    let _ = head.and_then(|head| link.send(&[&head, piece]));
                });
                scope.spawn(move || said.send((link.to(), piece_from(link))));
            }
            drop(said);
            for (from, heard) in heard {
                match heard {
                    Ok(piece) => received[from] = piece,
                    Err(error) if first_error.is_none() => {
                        // Nobody may wait for this rank or in it now.
                        let last = Message::gives_up(&error.to_string()).to_bytes();
                        let last = last.unwrap_or_default();
                        links.iter().for_each(|link| link.close(&last));
                        first_error = Some(error);
                    }
                    Err(_) => {}
                }
            }
        });
        first_error.map_or(Ok(received), Err)
    }

    fn give_up(&mut self, reason: &str) {
        for link in self.links.iter() {
            // Whoever has ended needs no reason.
            let _ = Message::gives_up(reason).send(link);
        }
    }
}

/// The piece of a rank. It returns when that rank has this one's piece: then either may end, and nothing is lost that
/// the system has not sent yet.
fn piece_from(link: &Link) -> Result<Vec<u8>, RankError> {
    let (mut piece, mut has_arrived) = (None, false);
    loop {
        match Message::receive(link)? {
            Message::Piece(length) if piece.is_none() => {
                let received = link.receive(length)?;
                if received.len() != length {
                    let what = "a piece of another size";
                    return Err(RankError::Garbled {
                        rank: link.to(),
                        what,
                    });
                }
                // If the other rank has given up, the next message says why.
                let _ = Message::Arrived.send(link);
                piece = Some(received);
            }
            // It may come before the other rank has begun to send its own piece.
            Message::Arrived if !has_arrived => has_arrived = true,
            other => return Err(other.unexpected(link.to())),
        }
        if has_arrived && let Some(piece) = piece.take() {
            return Ok(piece);
        }
    }
}
