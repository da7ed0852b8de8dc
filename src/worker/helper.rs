//! A process that helps the worker of a job.

use std::{
    io,
    os::{fd::AsFd as _, unix::net::UnixStream},
    path::Path,
    time::Duration,
};

use rustix::process::Signal;

use super::{
    StopFlag, WorkerError, die_with, eval_job, leader::use_threads, train_eval::Evaluation,
    train_job::Prepared,
};
use crate::{
    eval::{EvalError, SampleRecord as EvalSample},
    launch::Helpers,
    model::LanguageModel,
    plan::Task,
    ranks::{Invitation, Local, RankError, Ranks},
    results::{JobDir, in_words},
    train::{EvaluationRecord, NonFiniteRecord, Observer, SampleRecord, StepRecord, TrainError},
};

/// How a helper reaches the worker that it helps.
#[derive(Clone, Copy, Debug)]
pub enum Way<'a> {
    /// Standard input is a socket to it. A rank that lives is waited for so long.
    Socket(Duration),
    /// By an invitation, as one of the ranks.
    Rank(&'a Path, usize),
    /// By an invitation, as all ranks of one of the nodes, from 1.
    Node(&'a Path, usize),
}

/// Helps the worker of a job until its training ends. The process `parent` has started this one, which does not
/// outlive it.
pub fn help(folder: &Path, parent: Option<u32>, way: Way<'_>) -> Result<(), WorkerError> {
    if let Some(parent) = parent {
        // A helper has nothing to save.
        die_with(parent, Signal::KILL)?;
    }
    let stop = StopFlag::on_signals().map_err(WorkerError::ListenForSignals)?;
    // The other ranks of this node, if this process starts them, end with it.
    let (ranks, _others) = match way {
        Way::Socket(patience) => {
            let link = io::stdin().as_fd().try_clone_to_owned();
            let link = UnixStream::from(link.map_err(RankError::from)?);
            (Ranks::new(Local::follow(link, patience)?), None)
        }
        Way::Rank(file, rank) => (
            Ranks::new(Invitation::read(file)?.join(rank, &mut || !stop.is_set())?),
            None,
        ),
        Way::Node(file, node) => {
            let invitation = Invitation::read(file)?;
            let here = invitation.ranks_here();
            if !(1..invitation.nodes).contains(&node) {
                let nodes = invitation.nodes;
                return Err(WorkerError::UnknownNode { node, nodes });
            }
            let threads = use_threads(here);
            let first = node * here;
            let others = Helpers::join(folder, file, first + 1..first + here, threads)?;
            {
                let nodes = invitation.join(first, &mut || !stop.is_set())?;
                (Ranks::new(nodes), Some(others))
            }
        }
    };
    let ended = help_with(folder, &ranks, stop);
    match ended {
        Err(error) if is_over(&error) => {
            tracing::info!("the worker of the job has ended");
            Ok(())
        }
        Err(error) => {
            ranks.give_up(&in_words(&error));
            Err(error)
        }
        Ok(()) => Ok(()),
    }
}

/// Whether the worker has ended, which says why in the same log.
fn is_over(error: &WorkerError) -> bool {
    let (WorkerError::Train(TrainError::Ranks(error))
    | WorkerError::Eval(EvalError::Ranks(error))
    | WorkerError::Ranks(error)) = error
    else {
        return false;
    };
    matches!(error, RankError::Lost { rank: 0 })
}

fn help_with(folder: &Path, ranks: &Ranks, stop: StopFlag) -> Result<(), WorkerError> {
    let dir = JobDir::new(folder.to_owned());
    let job = dir.job()?.ok_or_else(|| WorkerError::NoJob {
        path: folder.to_owned(),
    })?;
    let work = &job.work;
    match &work.task {
        Task::Train { train, evaluation } => {
            let evaluation = match evaluation {
                Some(planned) => Some(Evaluation::start(work, planned, ranks, stop.clone())?),
                None => None,
            };
            let prepared = Prepared::load(work, train, &dir, ranks, &stop)?;
            let mut observer = Silent { stop, evaluation };
            prepared.train(work, train, &dir, ranks, &mut observer)?;
            Ok(())
        }
        Task::Eval(_) if work.remote().is_some() => Err(WorkerError::NotShared(job.id)),
        Task::Eval(settings) => {
            let evaluated = eval_job::help(work, settings, &dir, ranks, &mut SilentEval(stop));
            match evaluated {
                // The worker says so too.
                Err(WorkerError::Stopped) => Ok(()),
                other => other,
            }
        }
    }
}

/// The observer of an evaluation's helper: the worker writes the samples.
struct SilentEval(StopFlag);

impl crate::eval::Observer for SilentEval {
    fn on_chunk(&mut self, _: &[EvalSample], _: usize) -> io::Result<()> {
        Ok(())
    }

    fn on_warning(&mut self, _: String) {}

    fn should_stop(&self) -> bool {
        self.0.is_set()
    }
}

/// The observer of a training's helper: the worker writes the records.
struct Silent<'a> {
    stop: StopFlag,
    evaluation: Option<Evaluation<'a>>,
}

impl Observer for Silent<'_> {
    fn on_resume(&mut self, _: usize, _: usize) -> io::Result<()> {
        Ok(())
    }

    fn evaluate(
        &mut self,
        model: &LanguageModel,
        step: usize,
    ) -> Result<Option<EvaluationRecord>, TrainError> {
        let Some(evaluation) = &self.evaluation else {
            return Ok(None);
        };
        evaluation.measure(model, step)
    }

    fn on_step(&mut self, _: &StepRecord) -> io::Result<()> {
        Ok(())
    }

    fn on_sample(&mut self, _: &SampleRecord) -> io::Result<()> {
        Ok(())
    }

    fn on_non_finite(&mut self, _: &NonFiniteRecord) -> io::Result<()> {
        Ok(())
    }

    fn on_note(&mut self, _: &str) {}

    fn should_stop(&self) -> bool {
        self.stop.is_set()
    }
}
