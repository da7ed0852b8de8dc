//! `recode job`: runs one job in its folder.

use std::path::PathBuf;

use clap::Args;

use super::exit::{Exit, Failure};
use crate::{
    eval::EvalError,
    launch::Ended,
    worker::{self, Origin, WorkerError},
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

    /// How many processes share the job
    #[arg(long, default_value_t = 1)]
    ranks: usize,

    /// Help this process, which runs the job; standard input is a socket to it
    #[arg(long, value_name = "PID", hide = true)]
    help_process: Option<u32>,
}

/// Runs `recode job`.
pub(super) fn run(arguments: &Arguments) -> Result<Exit, Failure> {
    let origin = Origin {
        attempt: arguments.attempt,
        parent: arguments.parent,
        ranks: arguments.ranks,
    };
    let ended = match arguments.help_process {
        Some(worker) => worker::help(&arguments.folder, worker),
        None => worker::run(&arguments.folder, origin),
    };
    ended
        .map(|()| Exit::Done)
        .map_err(|error| Failure::new(exit_of(&error), &error))
}

fn exit_of(error: &WorkerError) -> Exit {
    match error {
        WorkerError::Stopped | WorkerError::Orphaned { .. } => Exit::Stopped,
        WorkerError::Held { .. } => Exit::Held,
        WorkerError::UpstreamNotFinished { .. } => Exit::UpstreamNotFinished,
        WorkerError::NoJob { .. } | WorkerError::OpenFolder { .. } => Exit::Usage,
        WorkerError::Device(_) | WorkerError::Key(_) => Exit::Missing,
        WorkerError::InputChanged { .. }
        | WorkerError::ModelChanged { .. }
        | WorkerError::TextsHaveNoTarget
        | WorkerError::NoModel(_)
        | WorkerError::Eval(
            EvalError::Tasks { .. } | EvalError::UnknownTask { .. } | EvalError::Prompt { .. },
        ) => Exit::WrongInput,
        // What kills a rank by this signal is the system, when memory runs out.
        WorkerError::RankEnded {
            ended: Some(Ended::Signal(9)),
            ..
        }
        | WorkerError::Disk(_)
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
