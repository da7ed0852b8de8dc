//! The other ranks of a job, as child processes of its worker.

use std::{
    env, io,
    num::NonZero,
    os::{fd::OwnedFd, unix::net::UnixStream},
    path::Path,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};

use super::{Ended, LaunchError, process::how};

/// The variable that says how many threads a process has.
const THREADS: &str = "RAYON_NUM_THREADS";

/// How long a process that has closed its socket may take to end.
const PATIENCE: Duration = Duration::from_secs(5);

/// Processes that help a worker, each a rank of its job.
///
/// They end with the thread that started them, whatever becomes of it: nothing that they do has to be saved.
#[derive(Debug, Default)]
pub struct Helpers {
    children: Vec<Child>,
}

impl Helpers {
    /// Starts `recode job FOLDER --help-process PID` as each of the ranks `1..ranks`, and returns the sockets to their
    /// standard input. Their log is that of this process.
    ///
    /// Each has `threads` threads, unless the environment says how many.
    pub fn start(
        folder: &Path,
        ranks: usize,
        threads: Option<usize>,
    ) -> Result<(Self, Vec<UnixStream>), LaunchError> {
        let program = env::current_exe().map_err(LaunchError::FindProgram)?;
        let mut helpers = Self::default();
        let mut links = Vec::new();
        for _ in 1..ranks {
            let start = |source| LaunchError::Start {
                program: program.clone(),
                source,
            };
            let (link, theirs) = UnixStream::pair().map_err(start)?;
            let mut command = Command::new(&program);
            command.envs(threads.map(|threads| (THREADS, threads.to_string())));
            let child = command
                .arg("job")
                .arg(folder)
                .args(["--help-process", &std::process::id().to_string()])
                .stdin(Stdio::from(OwnedFd::from(theirs)))
                .stdout(Stdio::null())
                .spawn()
                .map_err(start)?;
            helpers.children.push(child);
            links.push(link);
        }
        Ok((helpers, links))
    }

    /// The numbers of the processes.
    pub fn pids(&self) -> Vec<u32> {
        self.children.iter().map(Child::id).collect()
    }

    /// How a rank has ended that has closed its socket.
    pub fn end_of(&mut self, rank: usize) -> Option<Ended> {
        let child = self.children.get_mut(rank.checked_sub(1)?)?;
        let since = Instant::now();
        loop {
            match child.try_wait() {
                Ok(Some(status)) => return Some(how(status)),
                Ok(None) if since.elapsed() < PATIENCE => {
                    thread::sleep(Duration::from_millis(10));
                }
                Ok(None) | Err(_) => return None,
            }
        }
    }
}

impl Drop for Helpers {
    /// Ends those that have not ended by themselves.
    fn drop(&mut self) {
        for child in &mut self.children {
            // They fail only for a process that has ended.
            let _: io::Result<()> = child.kill();
            let _ = child.wait();
        }
    }
}

/// The threads of each of several ranks, so that all together have as many as there are processors; nothing if the
/// environment says how many a process has.
pub fn threads_of_a_rank(ranks: usize) -> Option<usize> {
    if ranks < 2 || env::var_os(THREADS).is_some() {
        return None;
    }
    let processors = thread::available_parallelism().map_or(1, NonZero::get);
    Some((processors / ranks).max(1))
}

/// Asks processes to stop, as one does with their worker.
pub fn ask_to_stop(pids: &[u32]) {
    let pids = pids.iter().filter_map(|pid| i32::try_from(*pid).ok());
    for pid in pids.filter_map(Pid::from_raw) {
        let _ = kill_process(pid, Signal::TERM);
    }
}
