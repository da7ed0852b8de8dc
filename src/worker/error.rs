//! Why a job ended without an outcome.

use std::{io, path::PathBuf};

use super::remote_teacher::TeacherError;
use crate::{
    data::DataError,
    device::Unavailable,
    disk::DiskError,
    eval::EvalError,
    launch::{Ended, LaunchError},
    model::ModelError,
    plan::JobId,
    ranks::RankError,
    remote::NoKey,
    results::{Owner, ResultsError},
    reward::CustomError,
    sandbox::PythonError,
    train::TrainError,
};

/// Why a job ended without an outcome.
#[derive(Debug, thiserror::Error)]
pub enum WorkerError {
    /// It was stopped on request, after it saved its state.
    #[error("stopped on request; run it again to continue")]
    Stopped,
    /// Another process runs the job.
    #[error("the job is run by {}", owner_in_words(owner.as_ref()))]
    Held {
        /// The process, if the lock says so.
        owner: Option<Owner>,
    },
    /// A job that this one builds on is not done.
    #[error("job `{upstream}`, which this one builds on, is not finished")]
    UpstreamNotFinished {
        /// That job.
        upstream: JobId,
    },
    /// The folder holds no job.
    #[error("`{path}` holds no job: it has no `job.json`")]
    NoJob {
        /// The folder.
        path: PathBuf,
    },
    /// An input is not what the plan has hashed.
    #[error(
        "`{path}` (`{role}`) has changed since the job was planned; put it back, or run the spec again \
         for a job with the new content"
    )]
    InputChanged {
        /// Its path in the spec.
        role: String,
        /// The file or the folder.
        path: PathBuf,
    },
    /// A teacher has other tokens than the model in training.
    #[error(
        "the teacher `{teacher}` does not have the tokens of the model in training ({} and {} of them); choose a \
         teacher of the same family whose `config.json` has the same `vocab_size`",
        sizes[0],
        sizes[1]
    )]
    OtherVocabulary {
        /// The folder of the teacher.
        teacher: PathBuf,
        /// The numbers of tokens of teacher and model.
        sizes: [usize; 2],
    },
    /// A remote teacher cannot be asked, or is another model than the settings say.
    #[error(transparent)]
    Teacher(#[from] TeacherError),
    /// A trained model is not what its training has written.
    #[error(
        "`{path}` has changed since its training ended: it has another digest than `outcome.json` says; \
         remove the folder, so that the model is trained again"
    )]
    ModelChanged {
        /// The folder.
        path: PathBuf,
    },
    /// A person has removed the folder.
    #[error("the job's folder `{path}` was removed while the job ran; run it again")]
    FolderRemoved {
        /// The folder.
        path: PathBuf,
    },
    /// There is no such folder.
    #[error("cannot open the job folder `{path}`")]
    OpenFolder {
        /// The folder.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The data have no target code for a reward to compare with.
    #[error("the data are texts with `prompt` and `completion`, which only SFT can learn from")]
    TextsHaveNoTarget,
    /// Signal handlers cannot be installed.
    #[error("cannot listen for signals")]
    ListenForSignals(#[source] io::Error),
    /// The system cannot signal the end of the parent process.
    #[error("cannot watch the process that started this one")]
    WatchParent(#[source] io::Error),
    /// The process that started this one has ended.
    #[error("process {parent}, which started this one, has ended")]
    Orphaned {
        /// That process.
        parent: u32,
    },
    /// A file of the job folder cannot be written or read.
    #[error(transparent)]
    Results(#[from] ResultsError),
    /// A log or a view of it cannot be written or read.
    #[error(transparent)]
    Disk(#[from] DiskError),
    /// The device is not available.
    #[error(transparent)]
    Device(#[from] Unavailable),
    /// There is no key for a remote model.
    #[error(transparent)]
    Key(#[from] NoKey),
    /// The data cannot be read.
    #[error(transparent)]
    Data(#[from] DataError),
    /// The model cannot be read or written.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// The training diverged.
    #[error("the training has diverged; the samples of its last updates are in `{path}`")]
    Diverged {
        /// The file.
        path: PathBuf,
        /// At which steps.
        source: TrainError,
    },
    /// The processes that share a training do not start.
    #[error(transparent)]
    Launch(#[from] LaunchError),
    /// They cannot talk to each other.
    #[error(transparent)]
    Ranks(#[from] RankError),
    /// One of them has ended.
    #[error(
        "rank {rank} of {ranks} has ended: {}; run the job again to go on from its last checkpoint",
        end_in_words(*ended)
    )]
    RankEnded {
        /// The rank.
        rank: usize,
        /// How many there were.
        ranks: usize,
        /// How it ended, if that is known.
        ended: Option<Ended>,
    },
    /// One of them hangs, or is out of reach.
    #[error("{0}; run the job again to go on from its last checkpoint")]
    RankHangs(RankError),
    /// Some of them have not come.
    #[error(
        "the ranks of other machines are missing; on each of those machines, {command} starts them"
    )]
    RanksMissing {
        /// Which.
        source: RankError,
        /// What starts those of a machine.
        command: String,
    },
    /// What has started the ranks on other nodes has ended too early.
    #[error(
        "the ranks on the other nodes did not start: `srun` {0}; its reason is in the log of this attempt"
    )]
    RanksNotStarted(Ended),
    /// There is no such node.
    #[error(
        "there is no node {node} to be: the job is shared by {nodes} nodes, and the worker is on node 0"
    )]
    UnknownNode {
        /// The node.
        node: usize,
        /// How many there are.
        nodes: usize,
    },
    /// This process was asked to help with what nobody helps with.
    #[error(
        "the model of job `{0}` is remote, so that there is nothing to share between processes"
    )]
    NotShared(JobId),
    /// The training failed.
    #[error(transparent)]
    Train(#[from] TrainError),
    /// The evaluation failed.
    #[error(transparent)]
    Eval(EvalError),
    /// The user's own reward process does not start.
    #[error(transparent)]
    Reward(#[from] CustomError),
    /// Python programs cannot be run.
    #[error(transparent)]
    Python(#[from] PythonError),
    /// A trained model cannot be hashed.
    #[error("cannot read the trained model in `{path}`")]
    Hash {
        /// The folder.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The job whose model this one starts with is not a training.
    #[error("job `{0}` is not a training, so there is no model to start with")]
    NoModel(JobId),
}

fn owner_in_words(owner: Option<&Owner>) -> String {
    owner.map_or_else(|| "another process".to_owned(), ToString::to_string)
}

fn end_in_words(ended: Option<Ended>) -> String {
    ended.map_or_else(
        || "it has closed its socket".to_owned(),
        |ended| ended.to_string(),
    )
}

impl From<EvalError> for WorkerError {
    fn from(error: EvalError) -> Self {
        match error {
            EvalError::Stopped => Self::Stopped,
            error => Self::Eval(error),
        }
    }
}
