//! `recode slurm-task`: runs one job within an allocation of Slurm.

use std::path::PathBuf;

use clap::Args;

use super::{
    exit::{Exit, Failure},
    progress::Kind,
    run, sharing,
};
use crate::{
    engine::slurm::{Allocation, Client, task_of},
    results::Store,
    schedule::{End, Settings},
};

/// Arguments of `recode slurm-task`.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// The list of the array's tasks
    list: PathBuf,

    /// How often a failed job is started again
    #[arg(long, default_value_t = 0)]
    retries: u32,

    #[command(flatten)]
    sharing: sharing::Arguments,
}

/// Runs `recode slurm-task`.
pub(super) fn run(arguments: &Arguments) -> Result<Exit, Failure> {
    let missing = |error: &dyn std::error::Error| Failure::new(Exit::Missing, error);
    let allocation = Allocation::from_environment().map_err(|error| missing(&error))?;
    let id = task_of(&arguments.list, allocation.task).map_err(|error| missing(&error))?;
    // The folder of results is that of the submission: its list is in `slurm/<key>/` there.
    let root = arguments
        .list
        .ancestors()
        .nth(3)
        .unwrap_or_else(|| "".as_ref());
    let store = Store::new(root);
    let job = store.job_dir(&id).job().map_err(|error| missing(&error))?;
    let Some(job) = job else {
        let text = format!("there is no job `{id}` in `{}`", store.root().display());
        return Err(Failure::text(Exit::Missing, text));
    };
    let settings = Settings {
        retries: arguments.retries,
        sharing: arguments.sharing.sharing(),
        // Slurm has chosen the devices that this process sees.
        gpus: Some(0),
        ..Settings::default()
    };
    let jobs = [job];
    // A second request does not kill the worker: Slurm sends several, and kills by itself what is too slow.
    let summary = run::schedule(&id.0, &jobs, &store, settings, Kind::Lines, 1)?;
    Ok(match summary.ends.get(&id) {
        Some(end) if end.is_done() => Exit::Done,
        Some(End::Stopped) => {
            allocation.requeue(&Client::default());
            Exit::Stopped
        }
        _ => Exit::JobFailed,
    })
}
