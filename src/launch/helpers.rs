//! The other ranks of a job, as child processes of its worker, or started by Slurm on other machines.

use std::{
    env, io,
    num::NonZero,
    ops::Range,
    os::{fd::OwnedFd, unix::net::UnixStream},
    path::Path,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};

use super::{Ended, LaunchError, Sharing, process::how};

/// The variable that says how many threads a process has.
const THREADS: &str = "RAYON_NUM_THREADS";

/// How long a process that has closed its socket may take to end.
const PATIENCE: Duration = Duration::from_secs(5);

/// What Slurm says to a step about its own processors, which are not those of another step.
const BINDING: [&str; 4] = [
    "SLURM_CPU_BIND",
    "SLURM_CPU_BIND_LIST",
    "SLURM_CPU_BIND_TYPE",
    "SLURM_CPU_BIND_VERBOSE",
];

/// Processes that help a worker, each a rank of its job.
///
/// They end with the thread that started them, whatever becomes of it: nothing that they do has to be saved.
#[derive(Debug, Default)]
pub struct Helpers {
    /// Those on this machine, in their order.
    children: Vec<Child>,
    /// What has started those on other machines.
    elsewhere: Option<Child>,
}

impl Helpers {
    /// Starts `recode job FOLDER --help-process PID` as each of the ranks after the first, and returns the sockets to
    /// their standard input. Their log is that of this process.
    ///
    /// Each has `threads` threads, unless the environment says how many.
    pub fn start(
        folder: &Path,
        sharing: &Sharing,
        threads: Option<usize>,
    ) -> Result<(Self, Vec<UnixStream>), LaunchError> {
        let mut helpers = Self::default();
        let mut links = Vec::new();
        for _ in 1..sharing.ranks {
            let program = this_program()?;
            let (link, theirs) = UnixStream::pair().map_err(LaunchError::start(&program))?;
            let mut command = help(&program, folder, threads);
            command
                .args(["--rank-timeout", &sharing.patience.as_secs().to_string()])
                .stdin(Stdio::from(OwnedFd::from(theirs)));
            let child = command.spawn().map_err(LaunchError::start(&program))?;
            helpers.children.push(child);
            links.push(link);
        }
        Ok((helpers, links))
    }

    /// Starts `recode job FOLDER --help-process PID --join INVITATION --rank RANK` as each of some ranks on this machine.
    pub fn join(
        folder: &Path,
        invitation: &Path,
        ranks: Range<usize>,
        threads: Option<usize>,
    ) -> Result<Self, LaunchError> {
        let mut helpers = Self::default();
        for rank in ranks {
            let program = this_program()?;
            let mut command = help(&program, folder, threads);
            command
                .arg("--join")
                .arg(invitation)
                .args(["--rank", &rank.to_string()])
                .stdin(Stdio::null());
            let child = command.spawn().map_err(LaunchError::start(&program))?;
            helpers.children.push(child);
        }
        Ok(helpers)
    }

    /// Lets `srun` start `recode job FOLDER --join INVITATION` on the other nodes of this job of Slurm, of which there are
    /// `nodes`. False if this process is not in such a job.
    pub fn join_elsewhere(
        &mut self,
        folder: &Path,
        invitation: &Path,
        nodes: usize,
    ) -> Result<bool, LaunchError> {
        if nodes_of_slurm().is_none_or(|all| all < nodes) {
            return Ok(false);
        }
        let others = nodes.saturating_sub(1);
        let mut command = Command::new("srun");
        command
            .args([
                "--relative=1",
                "--ntasks-per-node=1",
                "--kill-on-bad-exit=0",
            ])
            .args([format!("--nodes={others}"), format!("--ntasks={others}")]);
        if let Ok(cpus) = env::var("SLURM_CPUS_PER_TASK") {
            command.arg(format!("--cpus-per-task={cpus}"));
        }
        for name in BINDING {
            command.env_remove(name);
        }
        command
            .arg(this_program()?)
            .arg("job")
            .arg(folder)
            .arg("--join")
            .arg(invitation)
            .stdin(Stdio::null())
            .stdout(Stdio::null());
        let started = command.spawn();
        self.elsewhere = Some(started.map_err(LaunchError::start("srun".as_ref()))?);
        Ok(true)
    }

    /// The numbers of the processes on this machine.
    pub fn pids(&self) -> Vec<u32> {
        self.children.iter().map(Child::id).collect()
    }

    /// The first process that has ended, as a place among the ranks of this machine from 1, or 0 for what has started
    /// those on other machines.
    pub fn first_end(&mut self) -> Option<(usize, Ended)> {
        let here = (1..).zip(&mut self.children);
        let mut all = here.chain(self.elsewhere.as_mut().map(|child| (0, child)));
        all.find_map(|(place, child)| Some((place, how(child.try_wait().ok()??))))
    }

    /// How a rank of this machine has ended that has closed its socket.
    pub fn end_of(&mut self, rank: usize) -> Option<Ended> {
        let child = self.children.get_mut(rank.checked_sub(1)?)?;
        end_within(child, PATIENCE)
    }
}

impl Drop for Helpers {
    /// Ends those that do not end by themselves.
    fn drop(&mut self) {
        let since = Instant::now();
        for child in &mut self.children {
            // The last exchange of a rank with one on another node may not be over when this process has done its own.
            if end_within(child, PATIENCE.saturating_sub(since.elapsed())).is_some() {
                continue;
            }
            // They fail only for a process that has ended.
            let _: io::Result<()> = child.kill();
            let _ = child.wait();
        }
        // Its processes end when their connections do. Slurm does not end them if `srun` is killed, so `srun` is asked first.
        if let Some(mut child) = self.elsewhere.take() {
            for _ in 0..2 {
                if end_within(&mut child, PATIENCE).is_some() {
                    return;
                }
                ask_to_stop(&[child.id()]);
            }
            let _: io::Result<()> = child.kill();
            let _ = child.wait();
        }
    }
}

/// `recode job FOLDER --help-process PID`, whose process ends with this one.
fn help(program: &Path, folder: &Path, threads: Option<usize>) -> Command {
    let mut command = Command::new(program);
    command
        .envs(threads.map(|threads| (THREADS, threads.to_string())))
        .arg("job")
        .arg(folder)
        .args(["--help-process", &std::process::id().to_string()])
        .stdout(Stdio::null());
    command
}

fn this_program() -> Result<std::path::PathBuf, LaunchError> {
    env::current_exe().map_err(LaunchError::FindProgram)
}

fn end_within(child: &mut Child, patience: Duration) -> Option<Ended> {
    let since = Instant::now();
    loop {
        match child.try_wait() {
            Ok(Some(status)) => return Some(how(status)),
            Ok(None) if since.elapsed() < patience => {
                thread::sleep(Duration::from_millis(10));
            }
            Ok(None) | Err(_) => return None,
        }
    }
}

/// On how many nodes the job of Slurm is that this process is part of.
fn nodes_of_slurm() -> Option<usize> {
    env::var("SLURM_JOB_ID").ok()?;
    env::var("SLURM_JOB_NUM_NODES").ok()?.parse().ok()
}

/// The threads of each of several ranks on this machine, so that all together have as many as there are processors;
/// nothing if the environment says how many a process has.
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
