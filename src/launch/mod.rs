//! Starting a command somewhere and waiting for it.
//!
//! A launcher knows a job's folder and nothing about its work. Each way of starting is a file here:
//! child processes. Another machine or a queue would be one more. `helpers` has the processes that share one job with
//! its worker.

mod helpers;
mod process;
mod sharing;
#[cfg(test)]
pub(crate) mod tests;

use std::{
    fmt, io,
    path::{Path, PathBuf},
};

pub use helpers::{Helpers, ask_to_stop, threads_of_a_rank};
pub use process::Process;
pub use sharing::Sharing;

/// What is to be started.
#[derive(Clone, Copy, Debug)]
pub struct Order<'a> {
    /// The job's folder.
    pub folder: &'a Path,
    /// Which start of the job this is.
    pub attempt: u32,
    /// The folder for `stdout.log` and `stderr.log`.
    pub logs: &'a Path,
    /// How processes share the job.
    pub sharing: Sharing,
    /// The GPUs that the job may use; if there are none, it sees what this process sees.
    pub devices: &'a [String],
}

/// A way of starting the worker of a job.
pub trait Launcher {
    /// Starts the worker, and does not wait for it.
    fn start(&mut self, order: &Order<'_>) -> Result<Box<dyn Started>, LaunchError>;
}

/// A worker that was started.
pub trait Started {
    /// How it ended, or nothing while it runs.
    fn poll(&mut self) -> Result<Option<Ended>, LaunchError>;

    /// Asks it to finish its step, to save, and to end.
    fn stop(&mut self);

    /// Ends it, and all that it started, at once.
    fn kill(&mut self);
}

impl fmt::Debug for dyn Started {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Started")
    }
}

/// How a worker ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// With an exit code.
    Code(i32),
    /// By a signal.
    Signal(i32),
}

impl fmt::Display for Ended {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Code(code) => write!(formatter, "ended with exit code {code}"),
            Self::Signal(signal) => match signal_name(*signal) {
                Some(name) => write!(formatter, "killed by {name}"),
                None => write!(formatter, "killed by signal {signal}"),
            },
        }
    }
}

/// The names of signals that end a worker in practice, with what they mean there.
fn signal_name(signal: i32) -> Option<&'static str> {
    Some(match signal {
        4 => "SIGILL (an instruction that this processor lacks)",
        6 => "SIGABRT",
        7 => "SIGBUS",
        9 => "SIGKILL (by hand, or by the system for lack of memory)",
        11 => "SIGSEGV",
        15 => "SIGTERM",
        _ => return None,
    })
}

impl LaunchError {
    /// What a command's error is that did not start.
    fn start(program: &Path) -> impl Fn(io::Error) -> Self {
        |source| Self::Start {
            program: program.to_owned(),
            source,
        }
    }
}

/// Why a worker could not be started or watched.
#[derive(Debug, thiserror::Error)]
pub enum LaunchError {
    /// The path of this program is not known.
    #[error("cannot find the path of this program")]
    FindProgram(#[source] io::Error),
    /// A log could not be created.
    #[error("cannot write `{path}`")]
    CreateLog {
        /// The log.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The command did not start.
    #[error("cannot start `{program}`")]
    Start {
        /// The program.
        program: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The system does not say how the worker is.
    #[error("cannot wait for process {pid}")]
    Wait {
        /// The worker.
        pid: u32,
        /// Why not.
        source: io::Error,
    },
}
