//! A lock file that says which process holds it.
//!
//! The process that holds the lock of a job folder runs the job. The lock is `flock`; on file systems where that does
//! not hold, a claim file is added (`claim_file`).

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io::{self, Seek as _, Write as _},
    os::unix::fs::MetadataExt as _,
    path::Path,
    thread,
    time::Duration,
};

use rustix::io::Errno;

pub use super::owner::Owner;
use super::{
    DiskError,
    claim_file::{self, ClaimFile},
};

/// Between attempts: asking who holds a lock takes it for an instant, which must not turn away a
/// process that wants it.
const PATIENCE: Duration = Duration::from_millis(20);
const TRIES: u32 = 25;

/// The ending of a claim file, in place of the lock's own.
const CLAIM: &str = "claim";

/// A held lock. The system releases it when the process ends, even by a crash; a claim file is dead some time after.
#[derive(Debug)]
pub struct Lock {
    file: File,
    /// What keeps others out where `flock` does not.
    claim: Option<ClaimFile>,
}

impl Lock {
    /// Whether its file is still the one at `path`: if a person has removed the folder, another process may
    /// have a lock of that name.
    pub fn is_still_at(&self, path: &Path) -> bool {
        let is_same = || {
            let (ours, there) = (self.file.metadata()?, fs::metadata(path)?);
            io::Result::Ok((ours.dev(), ours.ino()) == (there.dev(), there.ino()))
        };
        let is_ours = self.claim.as_ref().is_none_or(ClaimFile::is_ours);
        // A file system that fails for a moment has not lost the file.
        is_ours && is_same().unwrap_or_else(|error| !is_removed(&error))
    }
}

/// Whether an error says that a file is not there, or no longer.
fn is_removed(error: &io::Error) -> bool {
    use io::ErrorKind::{NotADirectory, NotFound, StaleNetworkFileHandle};
    matches!(
        error.kind(),
        NotFound | NotADirectory | StaleNetworkFileHandle
    )
}

impl Drop for Lock {
    fn drop(&mut self) {
        // Closing is not enough: a child between fork and exec has a copy of the descriptor.
        let _ = self.file.unlock();
    }
}

/// The holder of a lock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Holder {
    /// It is free.
    Nobody,
    /// A process has it, which the file may name.
    Somebody(Option<Owner>),
}

/// The answer to a request for a lock.
#[derive(Debug)]
pub enum Claim {
    /// This process has it now.
    Ours(Lock),
    /// Another process has it, which the file may name.
    Held(Option<Owner>),
}

/// Takes the lock at `path`, unless another process holds it.
pub fn claim(path: &Path) -> Result<Claim, DiskError> {
    claim_where(path, holds)
}

/// [`claim`] where `holds` says whether a lock that was taken keeps others out.
fn claim_where(path: &Path, holds: impl Fn(&Path) -> bool) -> Result<Claim, DiskError> {
    let write = DiskError::write(path);
    // The file stays when the lock is released. If it were removed, two processes could each hold a
    // lock of that name.
    let options = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(path);
    let mut file = options.map_err(write)?;
    for attempt in 0..TRIES {
        if attempt > 0 {
            thread::sleep(PATIENCE);
        }
        if is_taken(file.try_lock()).map_err(write)? {
            let claim = path.with_extension(CLAIM);
            let claim = if !holds(path) {
                match ClaimFile::take(&claim).map_err(write)? {
                    None => break,
                    ours => ours,
                }
            } else if claim_file::living(&claim).map_err(write)?.is_some() {
                // Of a node where the same folder is mounted without locks.
                break;
            } else {
                None
            };
            write_owner(&mut file).map_err(write)?;
            return Ok(Claim::Ours(Lock { file, claim }));
        }
    }
    Ok(Claim::Held(read_owner(path)))
}

/// Whether a lock that this process has on the file at `path` keeps others out: it takes it once more, as another
/// process would.
///
/// Where a file system locks on each node alone, this finds nothing wrong.
fn holds(path: &Path) -> bool {
    let second = File::open(path).map(|file| file.try_lock_shared());
    matches!(second, Ok(Err(TryLockError::WouldBlock)))
}

/// Whether locks of files in a folder keep other processes out.
pub fn hold_in(folder: &Path) -> io::Result<bool> {
    let file = tempfile::NamedTempFile::new_in(folder)?;
    Ok(is_taken(file.as_file().try_lock())? && holds(file.path()))
}

/// Which process holds the lock at `path`.
pub fn holder(path: &Path) -> Result<Holder, DiskError> {
    let read = DiskError::read(path);
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Holder::Nobody),
        Err(source) => return Err(read(source)),
    };
    // Shared, so that two processes that ask do not take each other for the owner.
    let is_free = is_taken(file.try_lock_shared()).map_err(read)?;
    drop(Lock { file, claim: None });
    if let Some(claim) = claim_file::living(&path.with_extension(CLAIM)).map_err(read)? {
        return Ok(Holder::Somebody(claim.owner));
    }
    Ok(if is_free {
        Holder::Nobody
    } else {
        Holder::Somebody(read_owner(path))
    })
}

/// Whether an attempt to lock a file was successful.
fn is_taken(attempt: Result<(), TryLockError>) -> io::Result<bool> {
    match attempt {
        Ok(()) => Ok(true),
        Err(TryLockError::WouldBlock) => Ok(false),
        // The file system has no locks at all; a claim file takes their place.
        Err(TryLockError::Error(error)) if has_no_locks(&error) => Ok(true),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

fn has_no_locks(error: &io::Error) -> bool {
    let codes = [Errno::NOSYS, Errno::OPNOTSUPP, Errno::NOLCK].map(Errno::raw_os_error);
    error
        .raw_os_error()
        .is_some_and(|code| codes.contains(&code))
}

fn write_owner(file: &mut File) -> io::Result<()> {
    let text = serde_json::to_vec(&Owner::this_process())?;
    file.set_len(0)?;
    file.rewind()?;
    file.write_all(&text)
}

fn read_owner(path: &Path) -> Option<Owner> {
    serde_json::from_slice(&fs::read(path).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_held_lock_names_its_owner_and_is_free_after() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lock");
        assert_eq!(holder(&path).unwrap(), Holder::Nobody);

        let Claim::Ours(lock) = claim(&path).unwrap() else {
            panic!("the lock was free")
        };
        // The lock belongs to the open file, so this process can compete with itself.
        let Holder::Somebody(Some(held)) = holder(&path).unwrap() else {
            panic!("it is held")
        };
        assert_eq!(held.pid, std::process::id());
        assert!(matches!(claim(&path).unwrap(), Claim::Held(Some(owner)) if owner == held));

        drop(lock);
        assert_eq!(holder(&path).unwrap(), Holder::Nobody);
        assert!(matches!(claim(&path).unwrap(), Claim::Ours(_)));
    }

    #[test]
    fn a_lock_whose_file_was_removed_is_no_longer_at_its_path() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lock");
        let Claim::Ours(lock) = claim(&path).unwrap() else {
            panic!("the lock was free")
        };
        assert!(lock.is_still_at(&path));

        fs::remove_file(&path).unwrap();
        assert!(!lock.is_still_at(&path));
        let Claim::Ours(other) = claim(&path).unwrap() else {
            panic!("the file is another one")
        };
        assert!(!lock.is_still_at(&path) && other.is_still_at(&path));
    }

    #[test]
    fn asking_for_the_owner_turns_no_process_away() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lock");
        fs::write(&path, "").unwrap();
        let onlooker = File::open(&path).unwrap();
        onlooker.lock_shared().unwrap();
        let release = thread::spawn(move || {
            thread::sleep(PATIENCE * 2);
            drop(onlooker);
        });

        assert!(matches!(claim(&path).unwrap(), Claim::Ours(_)));
        release.join().unwrap();
    }

    #[test]
    fn where_locks_do_not_hold_a_claim_file_does() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lock");
        assert!(
            hold_in(folder.path()).unwrap(),
            "the file system of the tests has locks"
        );
        let never = |_: &Path| false;
        let Claim::Ours(lock) = claim_where(&path, never).unwrap() else {
            panic!("it was free")
        };
        // As if the system had not kept the lock.
        lock.file.unlock().unwrap();

        assert!(matches!(holder(&path).unwrap(), Holder::Somebody(Some(_))));
        assert!(matches!(claim_where(&path, never).unwrap(), Claim::Held(_)));
        assert!(matches!(claim(&path).unwrap(), Claim::Held(_)));
        assert!(lock.is_still_at(&path));

        drop(lock);
        assert_eq!(holder(&path).unwrap(), Holder::Nobody);
        assert!(matches!(claim_where(&path, never).unwrap(), Claim::Ours(_)));
    }

    #[test]
    fn a_lock_without_a_readable_owner_is_still_held() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lock");
        let _lock = claim(&path).unwrap();
        fs::write(&path, "{\"pid\": 4").unwrap();

        assert_eq!(holder(&path).unwrap(), Holder::Somebody(None));
    }
}
