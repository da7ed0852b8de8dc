//! How the ranks of several nodes find each other: the first writes an invitation into the job's folder.

use std::{
    collections::BTreeSet,
    fs::{self, OpenOptions},
    io::{self, Write as _},
    net::{IpAddr, SocketAddr, TcpListener, TcpStream},
    ops::Range,
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use serde::{Deserialize, Serialize};

use super::{
    Nodes, RankError, address,
    handshake::{self, Caller, Key},
    link::{Limits, Link, Socket},
    message::Message,
};

/// How an invitation's name begins.
const NAME: &str = "ranks-";

/// What a rank needs to know to take part; readable by the user alone, because of the key.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Invitation {
    /// Where the first rank listens.
    address: SocketAddr,
    /// The secret that the ranks of this job share.
    key: Key,
    /// How many ranks there are.
    pub ranks: usize,
    /// On how many nodes they are, as many on each.
    pub nodes: usize,
    /// How long a rank that lives is waited for.
    patience: Duration,
}

/// The first rank, while it waits for the others.
#[derive(Debug)]
pub struct Meeting {
    file: PathBuf,
    invitation: Invitation,
    listener: TcpListener,
}

impl Invitation {
    /// Reads an invitation.
    pub fn read(file: &Path) -> Result<Self, RankError> {
        let read = fs::read(file).and_then(|bytes| Ok(serde_json::from_slice(&bytes)?));
        read.map_err(|source| RankError::Invitation {
            path: file.to_owned(),
            source,
        })
    }

    /// The ranks on each machine.
    pub fn ranks_here(&self) -> usize {
        (self.ranks / self.nodes.max(1)).max(1)
    }

    /// Joins the others as a rank, and waits for those after it as long as `is_wanted`.
    pub fn join(
        &self,
        rank: usize,
        is_wanted: &mut dyn FnMut() -> bool,
    ) -> Result<Nodes, RankError> {
        let limits = Limits::new(self.patience);
        let socket = TcpStream::connect(self.address).map_err(|source| RankError::Refused {
            address: self.address,
            source,
        })?;
        // The address of this node that the first rank reaches: others reach it too.
        let own = socket.local_addr()?.ip();
        let listener = TcpListener::bind((own, 0))?;
        let caller = Caller {
            rank: u32::try_from(rank).unwrap_or(u32::MAX),
            port: listener.local_addr()?.port(),
        };
        let mut links = vec![self.call(socket, self.address, 0, caller)?];
        let addresses = match Message::receive(&links[0]) {
            Ok(Message::Addresses(addresses)) if addresses.len() + 1 == self.ranks => addresses,
            Ok(other) => return Err(other.unexpected(0)),
            Err(RankError::Lost { .. }) => {
                let source = io::Error::other("it has ended, or awaits no such rank");
                let address = self.address;
                return Err(RankError::Refused { address, source });
            }
            Err(error) => return Err(error),
        };
        for (index, address) in addresses.iter().enumerate().take(rank.saturating_sub(1)) {
            let socket = TcpStream::connect(address).map_err(|source| RankError::Refused {
                address: *address,
                source,
            })?;
            links.push(self.call(socket, *address, index + 1, caller)?);
        }
        let later = rank + 1..self.ranks;
        self.accept(&listener, later, &mut links, is_wanted)?;
        Ok(Nodes::new(rank, links, self.ranks_here(), limits))
    }

    /// Connects to another rank.
    fn call(
        &self,
        socket: TcpStream,
        address: SocketAddr,
        to: usize,
        caller: Caller,
    ) -> Result<Link, RankError> {
        handshake::call(&socket, &self.key, caller)
            .map_err(|source| RankError::Refused { address, source })?;
        Link::new(to, Socket::Tcp(socket), Limits::new(self.patience))
    }

    /// Waits until the ranks of a range have connected, and adds their links. Returns where they listen, in their order.
    fn accept(
        &self,
        listener: &TcpListener,
        ranks: Range<usize>,
        links: &mut Vec<Link>,
        is_wanted: &mut dyn FnMut() -> bool,
    ) -> Result<Vec<SocketAddr>, RankError> {
        let limits = Limits::new(self.patience);
        listener.set_nonblocking(true)?;
        let (said, heard) = mpsc::channel();
        let mut missing: BTreeSet<usize> = ranks.clone().collect();
        let mut addresses = Vec::new();
        let since = Instant::now();
        let mut last_beat = since;
        while !missing.is_empty() {
            if let Ok((socket, from)) = listener.accept() {
                let (said, key) = (said.clone(), self.key);
                // Somebody who connects and says nothing keeps nobody waiting.
                thread::spawn(move || match handshake::answer(&socket, &key) {
                    Ok(caller) => drop(said.send((socket, from, caller))),
                    Err(error) => {
                        tracing::warn!(%from, %error, "a connection that is none of a rank was refused");
                    }
                });
                continue;
            }
            if let Ok((socket, from, caller)) = heard.try_recv() {
                let rank = caller.rank as usize;
                if missing.remove(&rank) {
                    links.push(Link::new(rank, Socket::Tcp(socket), limits)?);
                    addresses.push((rank, SocketAddr::new(from.ip(), caller.port)));
                } else {
                    tracing::warn!(%from, rank, "a rank that is not awaited was refused");
                }
                continue;
            }
            let seconds = since.elapsed().as_secs_f64();
            if since.elapsed() > self.patience || !is_wanted() {
                let ranks = missing.into_iter().collect();
                return Err(RankError::Missing { ranks, seconds });
            }
            if last_beat.elapsed() > limits.beat() {
                links.iter().for_each(Link::beat);
                last_beat = Instant::now();
            }
            thread::sleep(Duration::from_millis(10));
        }
        links.sort_by_key(Link::to);
        addresses.sort_by_key(|(rank, _)| *rank);
        Ok(addresses.into_iter().map(|(_, address)| address).collect())
    }
}

impl Meeting {
    /// Listens at an address of this node, in the network of `network` if one is given, and writes the invitation into
    /// the folder of the job.
    pub fn open(
        folder: &Path,
        network: Option<IpAddr>,
        [ranks, nodes]: [usize; 2],
        patience: Duration,
    ) -> Result<Self, RankError> {
        remove_old(folder);
        let listener = address::listen(network)?;
        let invitation = Invitation {
            address: listener.local_addr()?,
            key: handshake::random()?,
            ranks,
            nodes,
            patience,
        };
        let number = u64::from_le_bytes(*handshake::random()?.first_chunk().unwrap_or(&[0; 8]));
        // A name that no node has looked for before: a shared file system may remember that there was no such file.
        let file = folder.join(format!("{NAME}{number:016x}.json"));
        write(&file, &invitation).map_err(|source| RankError::Invitation {
            path: file.clone(),
            source,
        })?;
        Ok(Self {
            file,
            invitation,
            listener,
        })
    }

    /// The invitation.
    pub fn file(&self) -> &Path {
        &self.file
    }

    /// Waits for the other ranks, as long as `is_wanted`.
    pub fn wait(self, is_wanted: &mut dyn FnMut() -> bool) -> Result<Nodes, RankError> {
        let invitation = &self.invitation;
        let mut links = Vec::new();
        let others = 1..invitation.ranks;
        let addresses = invitation.accept(&self.listener, others, &mut links, is_wanted)?;
        let addresses = Message::Addresses(addresses);
        for link in &links {
            addresses.send(link)?;
        }
        let limits = Limits::new(invitation.patience);
        Ok(Nodes::new(0, links, invitation.ranks_here(), limits))
    }
}

impl Drop for Meeting {
    /// The key is of no use any more.
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.file);
    }
}

/// Writes a file that the user alone can read.
fn write(file: &Path, invitation: &Invitation) -> io::Result<()> {
    let text = serde_json::to_vec(invitation)?;
    let draft = file.with_extension("new");
    let mut options = OpenOptions::new();
    let mut writer = options
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&draft)?;
    writer.write_all(&text)?;
    writer.sync_all()?;
    fs::rename(&draft, file)
}

/// Removes the invitations of a first rank that was killed.
fn remove_old(folder: &Path) {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    for entry in entries {
        if entry.file_name().to_string_lossy().starts_with(NAME) {
            let _ = fs::remove_file(entry.path());
        }
    }
}
