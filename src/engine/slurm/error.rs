//! What can go wrong with Slurm.

use std::io;

use crate::results::Owner;

/// Why Slurm was not asked, or what it refused.
#[derive(Debug, thiserror::Error)]
pub enum SlurmError {
    /// A command of Slurm is not here.
    #[error(
        "there is no Slurm here: `{command}` is not in PATH; submit from a login node of the cluster"
    )]
    NoSlurm {
        /// The command.
        command: &'static str,
    },
    /// Slurm's configuration is not found.
    #[error(
        "`{command}` does not find its cluster: on this machine SLURM_CONF must name the cluster's slurm.conf"
    )]
    NoCluster {
        /// The command.
        command: &'static str,
    },
    /// A command did not start.
    #[error("cannot start `{command}`")]
    Start {
        /// The command.
        command: &'static str,
        /// Why not.
        source: io::Error,
    },
    /// A command refused.
    #[error("`{command}` failed: {words}")]
    Refused {
        /// The command.
        command: &'static str,
        /// What it said.
        words: String,
    },
    /// A command printed something else than it documents.
    #[error("cannot read what `{command}` printed: `{text}`")]
    Odd {
        /// The command.
        command: &'static str,
        /// What it printed.
        text: String,
    },
    /// Another process submits jobs of these results.
    #[error("{} submits jobs of these results at this moment; try again when it has ended",
        .0.as_ref().map_or_else(|| "another process".to_owned(), ToString::to_string))]
    Busy(Option<Owner>),
    /// A task was started outside of an array.
    #[error("`recode slurm-task` runs within a job array of Slurm: {0} is not set")]
    NoTask(&'static str),
    /// A list of tasks lacks this one.
    #[error("`{list}` has no task {task}")]
    UnknownTask {
        /// The list.
        list: String,
        /// The task.
        task: u32,
    },
}
