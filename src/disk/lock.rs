//! A lock file that says which process holds it.
//!
//! The process that holds the lock of a job folder runs the job.

use std::{
    fmt,
    fs::{self, File, OpenOptions, TryLockError},
    io::{self, Seek as _, Write as _},
    os::unix::fs::MetadataExt as _,
    path::Path,
    thread,
    time::Duration,
};

use serde::{Deserialize, Serialize};

use super::{DiskError, Timestamp};

/// Between attempts: asking who holds a lock takes it for an instant, which must not turn away a
/// process that wants it.
const PATIENCE: Duration = Duration::from_millis(20);
const TRIES: u32 = 25;

/// The process that holds a lock.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Owner {
    /// Its number.
    pub pid: u32,
    /// Its machine.
    pub host: String,
    /// When it took the lock.
    pub since: Timestamp,
}

impl Owner {
    /// This process.
    pub fn this_process() -> Self {
        let host = fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
        let host = if host.trim().is_empty() {
            "this machine"
        } else {
            host.trim()
        };
        Self {
            pid: std::process::id(),
            host: host.to_owned(),
            since: Timestamp::now(),
        }
    }
}

impl fmt::Display for Owner {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "process {} on {}", self.pid, self.host)
    }
}

/// A held lock. The system releases it when the process ends, even by a crash.
#[derive(Debug)]
pub struct Lock {
    file: File,
}

impl Lock {
    /// Whether its file is still the one at `path`: if a person has removed the folder, another process may
    /// have a lock of that name.
    pub fn is_still_at(&self, path: &Path) -> bool {
        let is_same = || {
            let (ours, there) = (self.file.metadata()?, fs::metadata(path)?);
            io::Result::Ok((ours.dev(), ours.ino()) == (there.dev(), there.ino()))
        };
        is_same().unwrap_or(false)
    }
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
            write_owner(&mut file).map_err(write)?;
            return Ok(Claim::Ours(Lock { file }));
        }
    }
    Ok(Claim::Held(read_owner(path)))
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
    drop(Lock { file });
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
        Err(TryLockError::Error(error)) => Err(error),
    }
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
    fn a_lock_without_a_readable_owner_is_still_held() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lock");
        let _lock = claim(&path).unwrap();
        fs::write(&path, "{\"pid\": 4").unwrap();

        assert_eq!(holder(&path).unwrap(), Holder::Somebody(None));
    }
}
