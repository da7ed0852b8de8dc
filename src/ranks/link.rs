//! One connection between two ranks: frames, heartbeats, and how long a rank is waited for.

use std::{
    io::{self, Read, Write},
    net::{Shutdown, TcpStream},
    os::unix::net::UnixStream,
    sync::{Arc, Mutex, PoisonError, Weak, mpsc},
    thread,
    time::{Duration, Instant},
};

use super::RankError;

/// So long without a heartbeat means that a process hangs, or that its node or the network is down.
const SILENCE: Duration = Duration::from_mins(1);

/// As many heartbeats fit into that time.
const BEATS: u32 = 12;

/// A heartbeat is a length that no frame has.
const HEARTBEAT: u64 = u64::MAX;

/// How long ranks wait for one another.
///
/// Waits are counted in heartbeats and not in time, because a queue may suspend all processes of a job for hours.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// The time between two heartbeats.
    beat: Duration,
    /// How many heartbeats a rank sends at most before it is expected to have done its part.
    beats: u32,
}

impl Limits {
    /// The limits if a rank that lives is waited for so long.
    pub(super) fn new(patience: Duration) -> Self {
        let silence = patience.min(SILENCE);
        let beat = (silence / BEATS).max(Duration::from_millis(1));
        let beats = patience.as_millis() / beat.as_millis().max(1);
        Self {
            beat,
            beats: u32::try_from(beats).unwrap_or(u32::MAX).max(1),
        }
    }

    /// The time between two heartbeats.
    pub(super) fn beat(self) -> Duration {
        self.beat
    }
}

/// A stream of bytes to another process.
#[derive(Debug)]
pub(super) enum Socket {
    /// On this machine.
    Unix(UnixStream),
    /// Perhaps on another one.
    Tcp(TcpStream),
}

impl Socket {
    fn set_timeouts(&self, reading: Duration) -> io::Result<()> {
        match self {
            Self::Unix(socket) => socket.set_read_timeout(Some(reading)),
            Self::Tcp(socket) => {
                socket.set_read_timeout(Some(reading))?;
                socket.set_write_timeout(None)?;
                // A rank that waits has nothing else to send.
                socket.set_nodelay(true)
            }
        }
    }

    fn close(&self) {
        // It fails only where the other end has closed it.
        let _ = match self {
            Self::Unix(socket) => socket.shutdown(Shutdown::Both),
            Self::Tcp(socket) => socket.shutdown(Shutdown::Both),
        };
    }
}

impl Read for &Socket {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Socket::Unix(socket) => { socket }.read(buffer),
            Socket::Tcp(socket) => { socket }.read(buffer),
        }
    }
}

impl Write for &Socket {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Socket::Unix(socket) => { socket }.write(bytes),
            Socket::Tcp(socket) => { socket }.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A connection to another rank.
#[derive(Debug)]
pub(super) struct Link {
    /// The rank at the other end.
    to: usize,
    socket: Socket,
    /// Held while a frame is written.
    writing: Mutex<()>,
    limits: Limits,
}

impl Link {
    /// A connection to a rank.
    pub(super) fn new(to: usize, socket: Socket, limits: Limits) -> Result<Self, RankError> {
        socket.set_timeouts(limits.beat)?;
        Ok(Self {
            to,
            socket,
            writing: Mutex::new(()),
            limits,
        })
    }

    /// The rank at the other end.
    pub(super) fn to(&self) -> usize {
        self.to
    }

    /// Sends some frames; nothing that another thread sends comes between them.
    pub(super) fn send(&self, frames: &[&[u8]]) -> Result<(), RankError> {
        let _writing = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        let mut socket = &self.socket;
        let send = |frame: &&[u8]| {
            let length = (frame.len() as u64).to_le_bytes();
            if frame.len() < 1 << 16 {
                socket.write_all(&[&length, *frame].concat())
            } else {
                socket
                    .write_all(&length)
                    .and_then(|()| socket.write_all(frame))
            }
        };
        let sent = frames.iter().try_for_each(send);
        sent.map_err(|error| lost(error, self.to))
    }

    /// Receives a frame that [`Self::send`] of the other rank has sent, if it is no longer than that.
    pub(super) fn receive(&self, longest: usize) -> Result<Vec<u8>, RankError> {
        let mut beats = 0;
        loop {
            let since = Instant::now();
            let length = self.read(8)?;
            let length = length.try_into().map_or(HEARTBEAT, u64::from_le_bytes);
            if length != HEARTBEAT {
                let length = usize::try_from(length).unwrap_or(usize::MAX);
                if length > longest {
                    let what = "a message that is too long";
                    return Err(RankError::Garbled {
                        rank: self.to,
                        what,
                    });
                }
                return self.read(length);
            }
            // Heartbeats that came while this rank was working are there at once: nobody has waited for them.
            if since.elapsed() >= self.limits.beat / 2 {
                beats += 1;
            }
            if beats > self.limits.beats {
                let seconds = (self.limits.beat * self.limits.beats).as_secs_f64();
                return Err(RankError::Late {
                    rank: self.to,
                    seconds,
                });
            }
        }
    }

    /// Sends a heartbeat, unless something is being sent, which is one too.
    pub(super) fn beat(&self) {
        if let Ok(_writing) = self.writing.try_lock() {
            // Who waits for the other rank hears of an error.
            let _ = (&self.socket).write_all(&HEARTBEAT.to_le_bytes());
        }
    }

    /// Ends the connection for all that wait for it, with a last frame, unless the other rank takes nothing.
    pub(super) fn close(&self, last: &[u8]) {
        for _ in 0..100 {
            if let Ok(_writing) = self.writing.try_lock() {
                let length = (last.len() as u64).to_le_bytes();
                let _ = (&self.socket).write_all(&[&length, last].concat());
                break;
            }
            // Another thread is sending, or waits for the other rank to take what it sends.
            thread::sleep(Duration::from_millis(1));
        }
        self.socket.close();
    }

    fn read(&self, length: usize) -> Result<Vec<u8>, RankError> {
        let mut bytes = Vec::new();
        let is_there = bytes.try_reserve_exact(length).is_ok();
        if !is_there {
            return Err(io::Error::from(io::ErrorKind::OutOfMemory).into());
        }
        let mut silent = 0;
        while bytes.len() < length {
            let before = bytes.len();
            let rest = (length - before) as u64;
            let read = (&self.socket).take(rest).read_to_end(&mut bytes);
            silent = if bytes.len() > before { 0 } else { silent + 1 };
            match read {
                Ok(_) if bytes.len() < length => return Err(RankError::Lost { rank: self.to }),
                Ok(_) => {}
                Err(error) if is_timeout(&error) => {
                    if silent >= BEATS {
                        let seconds = (self.limits.beat * BEATS).as_secs_f64();
                        return Err(RankError::Silent {
                            rank: self.to,
                            seconds,
                        });
                    }
                }
                Err(error) => return Err(lost(error, self.to)),
            }
        }
        Ok(bytes)
    }
}

/// The connections of a rank, over which it sends heartbeats until they are dropped.
#[derive(Debug)]
pub(super) struct Links {
    links: Arc<Vec<Link>>,
    /// Their end ends the threads that send heartbeats.
    _living: Vec<mpsc::Sender<()>>,
}

impl Links {
    pub(super) fn new(links: Vec<Link>, limits: Limits) -> Self {
        let links = Arc::new(links);
        // One thread each: a rank that does not read must not keep heartbeats from the others.
        let start = |place: usize| {
            let (living, ended) = mpsc::channel();
            let weak: Weak<Vec<Link>> = Arc::downgrade(&links);
            thread::spawn(move || {
                let lives = Err(mpsc::RecvTimeoutError::Timeout);
                while ended.recv_timeout(limits.beat) == lives {
                    let links = weak.upgrade();
                    links
                        .iter()
                        .filter_map(|all| all.get(place))
                        .for_each(Link::beat);
                }
            });
            living
        };
        let living = (0..links.len()).map(start).collect();
        Self {
            links,
            _living: living,
        }
    }
}

impl std::ops::Deref for Links {
    type Target = [Link];

    fn deref(&self) -> &[Link] {
        &self.links
    }
}

fn is_timeout(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut
    )
}

/// A connection whose other end is closed means that the process is gone.
pub(super) fn lost(error: io::Error, rank: usize) -> RankError {
    match error.kind() {
        io::ErrorKind::UnexpectedEof
        | io::ErrorKind::BrokenPipe
        | io::ErrorKind::ConnectionReset
        | io::ErrorKind::ConnectionAborted => RankError::Lost { rank },
        _ => RankError::Exchange(error),
    }
}
