//! Claims where `flock` does not hold: a file that only one process can create.
//!
//! Its holder changes the file's time every few seconds. A claim is dead if its process is gone from this machine, or if
//! its time has not changed for [`LEASE`]: then its node is dead, and another process may take the claim over. Times
//! are compared on the clock of the file system, because nodes have clocks of their own.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write as _},
    path::{Path, PathBuf},
    sync::mpsc::{self, RecvTimeoutError, Sender},
    thread::{self, JoinHandle},
    time::{Duration, SystemTime},
};

use rustix::fs::{Timespec, Timestamps, UTIME_NOW, futimens};
use serde::{Deserialize, Serialize};

use super::owner::Owner;

/// The time between two heartbeats.
const BEAT: Duration = Duration::from_secs(15);

/// How long a claim without a heartbeat counts.
pub(super) const LEASE: Duration = Duration::from_mins(2);

/// What a claim file says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Content {
    owner: Owner,
    /// The start of the machine, and the space of process numbers, in which the number of the owner means something.
    numbers: String,
    /// A name that no other claim has.
    key: String,
}

impl Content {
    fn of_this_process() -> Self {
        let owner = Owner::this_process();
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        let now = since.map_or(0, |since| since.as_nanos());
        Self {
            numbers: numbers(),
            key: format!("{} {} {now}", owner.host, owner.pid),
            owner,
        }
    }

    fn read(path: &Path) -> Option<Self> {
        serde_json::from_slice(&fs::read(path).ok()?).ok()
    }

    /// Whether its process cannot be there any more.
    fn is_gone(&self) -> bool {
        self.numbers == numbers() && !Path::new(&format!("/proc/{}", self.owner.pid)).exists()
    }
}

/// What distinguishes spaces of process numbers: containers of one machine, and machines of one name.
fn numbers() -> String {
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    let space = fs::read_link("/proc/self/ns/pid").unwrap_or_default();
    format!("{} {}", boot.trim(), space.display())
}

/// A claim of this process.
#[derive(Debug)]
pub(super) struct ClaimFile {
    path: PathBuf,
    content: Content,
    /// Ends the thread that sends heartbeats.
    end: Option<Sender<()>>,
    beats: Option<JoinHandle<()>>,
}

impl ClaimFile {
    /// Claims `path`, unless the claim of another process is alive.
    pub(super) fn take(path: &Path) -> io::Result<Option<Self>> {
        let content = Content::of_this_process();
        if !create(path, &content)? {
            if !is_dead(path)? {
                return Ok(None);
            }
            // One process at a time may replace a dead claim, and it looks once more.
            let turn = path.with_extension("takeover");
            if !create(&turn, &content)? {
                if is_dead(&turn)? {
                    remove(&turn)?;
                }
                return Ok(None);
            }
            let replaced = replace_dead(path, &content);
            remove(&turn)?;
            if !replaced? {
                return Ok(None);
            }
        }
        let (end, ended) = mpsc::channel();
        // This very file: if another process replaces it, its claim gets no heartbeat from here.
        let file = File::options().write(true).open(path)?;
        let beats = thread::spawn(move || {
            while ended.recv_timeout(BEAT) == Err(RecvTimeoutError::Timeout) {
                // A failure is not the end: the file system may answer again before the lease is over.
                let _ = beat(&file);
            }
        });
        Ok(Some(Self {
            path: path.to_owned(),
            content,
            end: Some(end),
            beats: Some(beats),
        }))
    }

    /// Whether no other process has taken the claim over.
    pub(super) fn is_ours(&self) -> bool {
        Content::read(&self.path).is_some_and(|content| content == self.content)
    }
}

impl Drop for ClaimFile {
    fn drop(&mut self) {
        drop(self.end.take());
        if let Some(beats) = self.beats.take() {
            let _ = beats.join();
        }
        if self.is_ours() {
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// A claim that is alive.
#[derive(Debug, PartialEq)]
pub(super) struct Living {
    /// Who has made it, if the file says so.
    pub(super) owner: Option<Owner>,
}

/// The claim at a path, if there is one that is alive.
pub(super) fn living(path: &Path) -> io::Result<Option<Living>> {
    if !path.exists() || is_dead(path)? {
        return Ok(None);
    }
    let owner = Content::read(path).map(|content| content.owner);
    Ok(Some(Living { owner }))
}

/// Creates a file that only one process can create; false if it is there.
fn create(path: &Path, content: &Content) -> io::Result<bool> {
    let file = OpenOptions::new().write(true).create_new(true).open(path);
    match file {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
        other => {
            let mut file = other?;
            file.write_all(&serde_json::to_vec(content)?)?;
            file.sync_all()?;
            Ok(true)
        }
    }
}

/// Puts a claim in the place of a dead one; false if that is no longer dead.
fn replace_dead(path: &Path, content: &Content) -> io::Result<bool> {
    if path.exists() && !is_dead(path)? {
        return Ok(false);
    }
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    create(path, content)
}

/// Whether nobody keeps a claim alive. One that is gone is not dead, because it was given back.
fn is_dead(path: &Path) -> io::Result<bool> {
    if Content::read(path).is_some_and(|content| content.is_gone()) {
        return Ok(true);
    }
    let last = match fs::metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        other => other?.modified()?,
    };
    let age = now(path)?.duration_since(last).unwrap_or_default();
    Ok(age > LEASE)
}

/// The time on the clock of the file system of a path.
fn now(path: &Path) -> io::Result<SystemTime> {
    let folder = path.parent().unwrap_or_else(|| Path::new("."));
    let probe = tempfile::NamedTempFile::new_in(folder)?;
    probe.as_file().metadata()?.modified()
}

/// Removes a file that another process may have removed.
fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        removed => removed,
    }
}

/// Sets the time of a file to now, on the clock of its file system.
fn beat(file: &File) -> io::Result<()> {
    let now = Timespec {
        tv_sec: 0,
        tv_nsec: UTIME_NOW,
    };
    let times = Timestamps {
        last_access: now,
        last_modification: now,
    };
    Ok(futimens(file, &times)?)
}

#[cfg(test)]
mod tests {
    use std::sync::{
        Barrier,
        atomic::{AtomicUsize, Ordering},
    };

    use super::*;

    /// Makes a claim of a node that died long ago.
    fn die(path: &Path) {
        let mut content = Content::of_this_process();
        content.numbers = "another machine".to_owned();
        content.key = "dead".to_owned();
        fs::write(path, serde_json::to_vec(&content).unwrap()).unwrap();
        let then = SystemTime::now() - LEASE * 2;
        let file = File::options().write(true).open(path).unwrap();
        file.set_modified(then).unwrap();
    }

    #[test]
    fn a_claim_keeps_others_out_until_it_is_given_back() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lock.claim");

        let ours = ClaimFile::take(&path).unwrap().unwrap();
        assert!(ours.is_ours());
        assert!(ClaimFile::take(&path).unwrap().is_none());
        let owner = living(&path).unwrap().unwrap().owner.unwrap();
        assert_eq!(owner.pid, std::process::id());

        drop(ours);
        assert_eq!(living(&path).unwrap(), None);
        assert!(ClaimFile::take(&path).unwrap().is_some());
    }

    #[test]
    fn the_claim_of_a_dead_node_is_taken_over_and_that_of_another_living_one_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lock.claim");
        die(&path);
        assert_eq!(living(&path).unwrap(), None);
        beat(&File::options().write(true).open(&path).unwrap()).unwrap();
        assert!(living(&path).unwrap().is_some());
        assert!(ClaimFile::take(&path).unwrap().is_none());

        die(&path);
        let ours = ClaimFile::take(&path).unwrap().unwrap();

        assert!(ours.is_ours());
        assert!(!path.with_extension("takeover").exists());
    }

    #[test]
    fn a_process_that_is_gone_from_this_machine_is_dead_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lock.claim");
        let mut content = Content::of_this_process();
        // Above the largest number of a process on Linux.
        content.owner.pid = 1 << 30;
        fs::write(&path, serde_json::to_vec(&content).unwrap()).unwrap();

        assert!(ClaimFile::take(&path).unwrap().is_some());
    }

    #[test]
    fn a_claim_that_was_taken_over_meanwhile_is_noticed_and_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lock.claim");
        let ours = ClaimFile::take(&path).unwrap().unwrap();
        die(&path);
        let theirs = ClaimFile::take(&path).unwrap().unwrap();

        assert!(!ours.is_ours());
        drop(ours);

        assert!(theirs.is_ours());
    }

    #[test]
    fn of_many_processes_that_find_a_dead_claim_one_gets_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lock.claim");
        for _ in 0..50 {
            die(&path);
            let (start, holders, done) = (Barrier::new(8), AtomicUsize::new(0), Barrier::new(8));
            thread::scope(|scope| {
                for _ in 0..8 {
                    scope.spawn(|| {
                        start.wait();
                        let claim = ClaimFile::take(&path).unwrap();
                        holders.fetch_add(usize::from(claim.is_some()), Ordering::SeqCst);
                        done.wait();
                    });
                }
            });
            assert!(holders.into_inner() <= 1);
            assert!(!path.exists() || living(&path).unwrap().is_none());
        }
    }
}
