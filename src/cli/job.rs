//! `recode job`: runs one job in its folder.

use std::{env, path::PathBuf};

use clap::Args;

use super::{
    exit::{Exit, Failure},
    sharing,
};
use crate::{
    eval::EvalError,
    launch::Ended,
    train::TrainError,
    worker::{self, Origin, TeacherError, Way, WorkerError},
};

/// Arguments of `recode job`.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// The job's folder
    folder: PathBuf,

    /// Which start of the job this is
    #[arg(long)]
    attempt: Option<u32>,

    /// The process that this one is not to outlive
    #[arg(long)]
    parent: Option<u32>,

    #[command(flatten)]
    sharing: sharing::Arguments,

    /// Help this process, which runs the job or has the invitation; without one, standard input is a socket to it
    #[arg(long, value_name = "PID", hide = true)]
    help_process: Option<u32>,

    /// Help the process that runs the job on another machine, and has written this invitation
    #[arg(long, value_name = "FILE", conflicts_with_all = ["ranks", "nodes", "attempt", "parent"])]
    join: Option<PathBuf>,

    /// Which of the machines this is, from 1; by default the one that Slurm says
    #[arg(long, requires = "join")]
    node: Option<usize>,

    /// Which of the processes this is
    #[arg(long, requires = "join", hide = true)]
    rank: Option<usize>,
}

/// Runs `recode job`.
pub(super) fn run(arguments: &Arguments) -> Result<Exit, Failure> {
    let origin = Origin {
        attempt: arguments.attempt,
        parent: arguments.parent,
        sharing: arguments.sharing.sharing(),
    };
    let parent = arguments.help_process;
    let way = match (&arguments.join, arguments.rank) {
        (Some(file), Some(rank)) => Some(Way::Rank(file, rank)),
        (Some(file), None) => Some(Way::Node(file, node(arguments.node)?)),
        (None, _) => parent.map(|_| Way::Socket(arguments.sharing.patience())),
    };
    let ended = match way {
        Some(way) => worker::help(&arguments.folder, parent, way),
        None => worker::run(&arguments.folder, origin),
    };
    ended
        .map(|()| Exit::Done)
        .map_err(|error| Failure::new(exit_of(&error), &error))
}

/// Which machine this is: the one that the user says, or the task of a step that leaves the first node out.
fn node(said: Option<usize>) -> Result<usize, Failure> {
    let task = || env::var("SLURM_PROCID").ok()?.parse::<usize>().ok();
    let node = said.or_else(|| Some(task()? + 1));
    node.ok_or_else(|| Failure::text(Exit::Usage, "`--join` needs `--node` outside of Slurm"))
}

fn exit_of(error: &WorkerError) -> Exit {
    match error {
        WorkerError::Stopped | WorkerError::Orphaned { .. } => Exit::Stopped,
        WorkerError::Held { .. } => Exit::Held,
        WorkerError::UpstreamNotFinished { .. } => Exit::UpstreamNotFinished,
        WorkerError::NoJob { .. }
        | WorkerError::OpenFolder { .. }
        | WorkerError::UnknownNode { .. } => Exit::Usage,
        WorkerError::Device(_) | WorkerError::Key(_) => Exit::Missing,
        WorkerError::InputChanged { .. }
        | WorkerError::ModelChanged { .. }
        | WorkerError::TextsHaveNoTarget
        | WorkerError::NoModel(_)
        | WorkerError::Teacher(
            TeacherError::OtherModel { .. } | TeacherError::OtherVocabulary { .. },
        )
        | WorkerError::Eval(
            EvalError::Tasks { .. } | EvalError::UnknownTask { .. } | EvalError::Prompt { .. },
        ) => Exit::WrongInput,
        // What kills a rank by this signal is the system, when memory runs out.
        WorkerError::RankEnded {
            ended: Some(Ended::Signal(9)),
            ..
        }
        | WorkerError::Disk(_)
        | WorkerError::Teacher(TeacherError::Remote(_))
        | WorkerError::Train(TrainError::Teacher { .. })
        | WorkerError::Eval(EvalError::Remote { .. } | EvalError::Keep(_)) => Exit::Shortage,
        _ => Exit::JobFailed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{remote::NoKey, results::exit_code};

    #[test]
    fn the_exit_codes_are_those_that_the_scheduler_and_users_know() {
        let code = |error| i32::from(exit_of(&error).code());

        assert_eq!(code(WorkerError::Stopped), exit_code::STOPPED);
        assert_eq!(code(WorkerError::Held { owner: None }), exit_code::HELD);
        assert_eq!(code(WorkerError::TextsHaveNoTarget), exit_code::WRONG_INPUT);
        let upstream = crate::plan::JobId("train-1".into());
        let error = WorkerError::UpstreamNotFinished { upstream };
        assert_eq!(code(error), exit_code::UPSTREAM_NOT_FINISHED);
        let variable = "KEY".to_owned();
        assert_eq!(code(WorkerError::Key(NoKey { variable })), 3);
    }
}
