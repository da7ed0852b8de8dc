//! The commands of Slurm: `sbatch`, `squeue`, `sacct`, `scontrol`.

use std::{
    collections::BTreeMap,
    io::{self, Write as _},
    path::PathBuf,
    process::{Command, Stdio},
};

use super::{JOB_NAME, SlurmError};

/// A task of an array: the array's job number and the index.
pub(super) type TaskId = (u64, u32);

/// Asks Slurm.
#[derive(Clone, Debug, Default)]
pub struct Client {
    /// The folder of the commands; nothing for those in `PATH`.
    commands: Option<PathBuf>,
}

/// What the queue says of one task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    /// The state in Slurm's word, such as `PENDING`.
    pub(super) state: String,
    /// Why it is in that state; may be `None`.
    pub(super) reason: String,
    /// The comment that the array was submitted with.
    pub(super) comment: String,
}

/// What a cluster offers, for `recode doctor`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Facts {
    /// Slurm's version.
    pub version: String,
    /// One more than the largest index of an array.
    pub array_limit: u32,
    /// Whether ended jobs are remembered.
    pub has_accounting: bool,
    /// Whether jobs can go back into the queue.
    pub can_requeue: bool,
}

impl Client {
    /// The commands in a folder.
    #[cfg(test)]
    pub(super) fn of_folder(folder: impl Into<PathBuf>) -> Self {
        Self {
            commands: Some(folder.into()),
        }
    }

    /// Submits a script, and returns the number of its job.
    pub(super) fn submit(&self, options: &[String], script: &str) -> Result<u64, SlurmError> {
        let command = "sbatch";
        let printed = self.ask(
            command,
            &[&["--parsable".to_owned()], options].concat(),
            script,
        )?;
        // `123`, or `123;cluster`.
        let number = printed.trim().split(';').next().unwrap_or_default();
        number.parse().map_err(|_| SlurmError::Odd {
            command,
            text: printed.trim().to_owned(),
        })
    }

    /// All of our tasks that Slurm still remembers, of all users: one question for any number of tasks.
    pub(super) fn queue(&self) -> Result<BTreeMap<TaskId, Entry>, SlurmError> {
        let options = [
            "--noheader",
            "--array",
            "--states=all",
            "--format=%i|%T|%r|%k",
        ];
        let mut options: Vec<String> = options.map(String::from).to_vec();
        options.push(format!("--name={JOB_NAME}"));
        let printed = self.ask("squeue", &options, "")?;
        Ok(printed.lines().filter_map(entry).collect())
    }

    /// The last states of tasks that have left the queue; empty where Slurm keeps no accounts.
    pub(super) fn ended(&self, tasks: &[TaskId]) -> BTreeMap<TaskId, String> {
        let mut jobs: Vec<String> = tasks.iter().map(|(job, _)| job.to_string()).collect();
        jobs.dedup();
        let options = [
            "--noheader",
            "--parsable2",
            "--allocations",
            "--format=JobID,State",
        ];
        let mut options: Vec<String> = options.map(String::from).to_vec();
        options.push(format!("--jobs={}", jobs.join(",")));
        let printed = self.ask("sacct", &options, "").unwrap_or_else(|error| {
            tracing::debug!(%error, "no accounts");
            String::new()
        });
        let state = |line: &str| {
            let (task, state) = line.split_once('|')?;
            // `CANCELLED by 1000`.
            let state = state.split_whitespace().next()?;
            Some((task_id(task)?, state.to_owned()))
        };
        printed.lines().filter_map(state).collect()
    }

    /// The state of one job or task, if Slurm knows it.
    pub(super) fn state_of(&self, job: &str) -> Option<String> {
        let options = ["--noheader", "--states=all", "--format=%T"];
        let mut options: Vec<String> = options.map(String::from).to_vec();
        options.push(format!("--jobs={job}"));
        let printed = self.ask("squeue", &options, "").ok()?;
        printed.lines().next().map(|line| line.trim().to_owned())
    }

    /// Puts a running job back into the queue; Slurm ends it.
    pub(super) fn requeue(&self, job: &str) -> Result<(), SlurmError> {
        let arguments = ["requeue".to_owned(), job.to_owned()];
        self.ask("scontrol", &arguments, "").map(|_| ())
    }

    /// What this cluster offers.
    pub fn facts(&self) -> Result<Facts, SlurmError> {
        let arguments = ["show", "config"].map(String::from);
        let printed = self.ask("scontrol", &arguments, "")?;
        let value = |name: &str| {
            let line = |line: &str| {
                let (key, value) = line.split_once('=')?;
                (key.trim() == name).then(|| value.trim().to_owned())
            };
            printed.lines().find_map(line).unwrap_or_default()
        };
        Ok(Facts {
            version: value("SLURM_VERSION"),
            array_limit: value("MaxArraySize").parse().unwrap_or(1001),
            has_accounting: value("AccountingStorageType").ends_with("slurmdbd"),
            can_requeue: value("JobRequeue") != "0",
        })
    }

    fn ask(
        &self,
        command: &'static str,
        arguments: &[String],
        input: &str,
    ) -> Result<String, SlurmError> {
        let program = match &self.commands {
            Some(folder) => folder.join(command),
            None => command.into(),
        };
        let start = |source: io::Error| match source.kind() {
            io::ErrorKind::NotFound => SlurmError::NoSlurm { command },
            _ => SlurmError::Start { command, source },
        };
        let mut child = Command::new(program)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(start)?;
        if let Some(mut stdin) = child.stdin.take() {
            // A command that has already refused does not read its input.
            let _ = stdin.write_all(input.as_bytes());
        }
        let output = child.wait_with_output().map_err(start)?;
        if output.status.success() {
            return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
        }
        let words = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        // What Slurm says about a missing slurm.conf is a search for its servers by DNS.
        let is_lost = words.contains("resolve_ctls_from_dns_srv")
            || words.contains("Could not establish a configuration source");
        Err(if is_lost {
            SlurmError::NoCluster { command }
        } else {
            SlurmError::Refused { command, words }
        })
    }
}

/// A line of `squeue`; nothing for a job that is no task of an array, such as a report.
fn entry(line: &str) -> Option<(TaskId, Entry)> {
    let mut parts = line.splitn(4, '|').map(|part| part.trim().to_owned());
    let task = task_id(&parts.next()?)?;
    let (state, reason, comment) = (parts.next()?, parts.next()?, parts.next()?);
    let entry = Entry {
        state,
        reason,
        comment,
    };
    Some((task, entry))
}

/// `12_3`.
fn task_id(text: &str) -> Option<TaskId> {
    let (job, task) = text.split_once('_')?;
    Some((job.parse().ok()?, task.parse().ok()?))
}
