//! How two ranks on different nodes find out that they are of the same job: each proves that it has the job's key.
//!
//! The key itself is never sent. Each side sends a random number, and the hash of both numbers with the key. A listener
//! at an open port, or a stranger that connects to one, learns nothing that it could use again.

use std::{
    fs::File,
    io::{self, Read as _, Write as _},
    net::TcpStream,
    time::Duration,
};

/// The first bytes of a connection, with the version of all that follows.
const GREETING: &[u8; 16] = b"recode-ranks-001";

/// How long either side may take.
const LIMIT: Duration = Duration::from_secs(10);

/// A secret of 256 bits.
pub(super) type Key = [u8; 32];

/// Who connects: its rank, and the port at which it listens itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Caller {
    pub(super) rank: u32,
    pub(super) port: u16,
}

/// Bytes that nobody can guess.
pub(super) fn random() -> io::Result<[u8; 32]> {
    let mut bytes = [0; 32];
    File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    Ok(bytes)
}

/// The connecting side: makes sure that the other has the key, and says who it is.
pub(super) fn call(mut socket: &TcpStream, key: &Key, caller: Caller) -> io::Result<()> {
    limit(socket)?;
    let own = random()?;
    socket.write_all(&[&GREETING[..], &own].concat())?;
    let (mut other, mut proof) = ([0; 32], [0; 32]);
    socket.read_exact(&mut other)?;
    socket.read_exact(&mut proof)?;
    let numbers = [&own[..], &other].concat();
    check(proof, hash(key, "listener", &[&numbers]))?;
    let name = [&caller.rank.to_le_bytes()[..], &caller.port.to_le_bytes()].concat();
    let proof = hash(key, "caller", &[&numbers, &name]);
    socket.write_all(&[&name, &proof.as_bytes()[..]].concat())?;
    let mut answer = [0];
    socket.read_exact(&mut answer)
}

/// The listening side: makes sure that the caller has the key.
pub(super) fn answer(mut socket: &TcpStream, key: &Key) -> io::Result<Caller> {
    limit(socket)?;
    let (mut greeting, mut other) = ([0; 16], [0; 32]);
    socket.read_exact(&mut greeting)?;
    socket.read_exact(&mut other)?;
    if greeting != *GREETING {
        return Err(refused("it does not speak as a rank of this version"));
    }
    let own = random()?;
    let numbers = [&other[..], &own].concat();
    let proof = hash(key, "listener", &[&numbers]);
    socket.write_all(&[&own[..], proof.as_bytes()].concat())?;
    let (mut rank, mut port, mut proof) = ([0; 4], [0; 2], [0; 32]);
    socket.read_exact(&mut rank)?;
    socket.read_exact(&mut port)?;
    socket.read_exact(&mut proof)?;
    let name = [&rank[..], &port].concat();
    check(proof, hash(key, "caller", &[&numbers, &name]))?;
    socket.write_all(&[1])?;
    Ok(Caller {
        rank: u32::from_le_bytes(rank),
        port: u16::from_le_bytes(port),
    })
}

fn limit(socket: &TcpStream) -> io::Result<()> {
    socket.set_nonblocking(false)?;
    socket.set_read_timeout(Some(LIMIT))?;
    socket.set_write_timeout(Some(LIMIT))
}

/// A hash that only who has the key can compute; the role keeps a proof from being sent back.
fn hash(key: &Key, role: &str, parts: &[&[u8]]) -> blake3::Hash {
    let mut hasher = blake3::Hasher::new_keyed(key);
    hasher.update(role.as_bytes());
    for part in parts {
        hasher.update(part);
    }
    hasher.finalize()
}

/// Compares in constant time, as hashes of this crate do.
fn check(proof: [u8; 32], expected: blake3::Hash) -> io::Result<()> {
    if blake3::Hash::from_bytes(proof) == expected {
        Ok(())
    } else {
        Err(refused("it has another key"))
    }
}

fn refused(why: &str) -> io::Error {
    io::Error::new(io::ErrorKind::PermissionDenied, why)
}

#[cfg(test)]
mod tests {
    use std::{net::TcpListener, thread};

    use super::*;

    const CALLER: Caller = Caller {
        rank: 3,
        port: 4567,
    };

    /// What caller and listener make of each other.
    fn meet(calling: Key, listening: Key) -> (io::Result<()>, io::Result<Caller>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        thread::scope(|scope| {
            let caller = scope.spawn(|| {
                let socket = TcpStream::connect(address).unwrap();
                call(&socket, &calling, CALLER)
            });
            let answered = answer(&listener.accept().unwrap().0, &listening);
            (caller.join().unwrap(), answered)
        })
    }

    #[test]
    fn who_has_the_key_is_known_by_its_name_and_nobody_else_is_let_in() {
        let (called, answered) = meet([7; 32], [7; 32]);
        called.unwrap();
        assert_eq!(answered.unwrap(), CALLER);

        let (called, answered) = meet([7; 32], [8; 32]);
        assert_eq!(called.unwrap_err().to_string(), "it has another key");
        assert!(answered.is_err());
    }

    /// A caller without the key that takes no offence at the listener's proof.
    #[test]
    fn a_caller_that_guesses_is_refused() {
        for guess in ["nothing", "the listener's own proof"] {
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            let mut socket = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
            let own = [5; 32];
            thread::scope(|scope| {
                let listening = scope.spawn(|| answer(&listener.accept().unwrap().0, &[9; 32]));
                socket.write_all(&[&GREETING[..], &own].concat()).unwrap();
                let (mut other, mut proof) = ([0; 32], [0; 32]);
                socket.read_exact(&mut other).unwrap();
                socket.read_exact(&mut proof).unwrap();
                if guess == "nothing" {
                    proof = [0; 32];
                }
                socket.write_all(&[&[0; 6][..], &proof].concat()).unwrap();
                let error = listening.join().unwrap().unwrap_err();
                assert_eq!(error.to_string(), "it has another key", "{guess}");
            });
        }
    }

    #[test]
    fn a_stranger_is_refused_before_it_learns_anything() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut socket = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        socket.write_all(&[b'G'; 48]).unwrap();
        let error = answer(&listener.accept().unwrap().0, &[9; 32]).unwrap_err();
        assert_eq!(
            error.to_string(),
            "it does not speak as a rank of this version"
        );
        let mut heard = Vec::new();
        // The listener has closed the connection and said nothing.
        let _ = socket.read_to_end(&mut heard);
        assert_eq!(heard.len(), 0);
    }
}
