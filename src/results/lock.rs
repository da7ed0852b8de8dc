//! The lock of a job: whoever holds it runs the job.

use std::{
    fmt,
    fs::{self, File, OpenOptions},
    io::{self, Seek as _, Write as _},
    path::Path,
    thread,
    time::Duration,
};

use rustix::{
    fs::{FlockOperation, flock},
    io::Errno,
};
use serde::{Deserialize, Serialize};

use super::{ResultsError, Timestamp};

/// A look at a lock holds it for an instant, and must not turn a worker away.
const PATIENCE: Duration = Duration::from_millis(20);
const TRIES: u32 = 25;

/// The process that runs a job.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Owner {
    /// Its number.
    pub pid: u32,
    /// Its machine.
    pub host: String,
    /// When it took the job.
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

/// A held lock; the system releases it when the process ends, however it ends.
#[derive(Debug)]
pub struct JobLock {
    file: File,
}

impl Drop for JobLock {
    fn drop(&mut self) {
        // Closing would do, were it not for a child between fork and exec, which has a copy.
        let _ = flock(&self.file, FlockOperation::Unlock);
    }
}

/// Who holds a lock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Holder {
    /// It is free.
    Nobody,
    /// Somebody; who, if the file says so.
    Somebody(Option<Owner>),
}

/// What came of asking for a lock.
#[derive(Debug)]
pub enum Claim {
    /// It is ours.
    Ours(JobLock),
    /// Somebody else has it; who, if the file says so.
    Held(Option<Owner>),
}

/// Takes the lock at `path`, unless somebody holds it.
pub(super) fn claim(path: &Path) -> Result<Claim, ResultsError> {
    let write = |source| ResultsError::Write {
        path: path.to_owned(),
        source,
    };
    // The file stays when the lock is released: to remove it would let two processes hold "it".
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
        if try_flock(&file, FlockOperation::NonBlockingLockExclusive).map_err(write)? {
            write_owner(&mut file).map_err(write)?;
            return Ok(Claim::Ours(JobLock { file }));
        }
    }
    Ok(Claim::Held(read_owner(path)))
}

/// Who holds the lock at `path`.
pub(super) fn holder(path: &Path) -> Result<Holder, ResultsError> {
    let read = |source| ResultsError::Read {
        path: path.to_owned(),
        source,
    };
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Holder::Nobody),
        Err(source) => return Err(read(source)),
    };
    // Shared, so that two onlookers do not take each other for the owner.
    let is_free = try_flock(&file, FlockOperation::NonBlockingLockShared).map_err(read)?;
    drop(JobLock { file });
    Ok(if is_free {
        Holder::Nobody
    } else {
        Holder::Somebody(read_owner(path))
    })
}

fn try_flock(file: &File, operation: FlockOperation) -> io::Result<bool> {
    match flock(file, operation) {
        Ok(()) => Ok(true),
        Err(Errno::WOULDBLOCK) => Ok(false),
        Err(error) => Err(error.into()),
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
        // `flock` belongs to the open file, so this process can be its own rival.
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
    fn an_onlooker_does_not_turn_the_worker_away() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lock");
        fs::write(&path, "").unwrap();
        let onlooker = File::open(&path).unwrap();
        flock(&onlooker, FlockOperation::LockShared).unwrap();
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
