//! `recode run`: runs the jobs of an experiment that have no result, then prints its table.

use std::{collections::BTreeSet, io, path::PathBuf};

use clap::Args;
use signal_hook::{
    consts::{SIGINT, SIGTERM, SIGUSR1},
    iterator::Signals,
};

use super::{
    code_drift::RerunOn,
    exit::{Exit, Failure},
    first_steps, init,
    output::{self, count},
    plan_memory, plan_steps,
    progress::{Display, Kind},
    queue,
    report::{Replace, origin, write_table},
    results_folder, room, run_only, sharing,
    shortfalls::{Shortfall, shortfalls},
    spec_arguments::{self, SpecArguments},
    spec_name,
    trackers::Mirror,
};
use crate::{
    device::{Backend, Unavailable},
    engine::slurm::quoted,
    launch::Process,
    plan::{Job, JobId, Missing, Plan},
    results::{Outcome, Store, Thrown, Trash},
    schedule::{End, Scheduler, Settings, Summary},
    spec::EngineName,
};

/// Arguments of `recode run`.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// The spec, such as `experiments/quickstart.toml`, or its name: `quickstart` [without one, the specs of the
    /// project are listed]
    #[arg(value_parser = spec_name::parser())]
    spec: Option<PathBuf>,
    /// Change a setting, as in `--set train.max_steps=100`; may be repeated, the last one wins
    #[arg(long = "set", value_name = "KEY=VALUE", requires = "spec")]
    overrides: Vec<String>,

    /// Run only a part of the jobs and what they need: `failed`, the beginning of a job's name, or a value of an
    /// axis as in `train.reward=es`; may be repeated
    #[arg(long, value_name = "WHAT")]
    only: Vec<String>,

    /// Stop the run at the first job that has failed for good; the others save and can be resumed
    #[arg(long)]
    fail_fast: bool,

    /// Do jobs again that are done, if the program has changed since
    #[arg(long, value_enum, value_name = "WHAT")]
    rerun_on: Option<RerunOn>,

    /// How many jobs run at once [default: `run.slots` of the spec]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    jobs: Option<u16>,

    /// How often a failed job is started again, after pauses that double; not if it would fail in the same way
    #[arg(long, value_name = "N", default_value_t = 0)]
    retries: u32,

    /// How to show progress on stderr
    #[arg(long, value_enum, default_value_t)]
    progress: Kind,

    /// Print the table as JSON, with the jobs of every cell
    #[arg(long)]
    json: bool,

    /// What runs the jobs: this machine, or a queue, to which all are submitted at once [default: `run.engine` of
    /// the spec]
    #[arg(long, value_enum)]
    on: Option<On>,
}

/// What runs the jobs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum On {
    Local,
    Slurm,
}

/// Runs `recode run`.
#[expect(
    clippy::too_many_lines,
    reason = "the steps of a command, in their order"
)]
pub(super) fn run(arguments: &Arguments) -> Result<Exit, Failure> {
    let Some(file) = &arguments.spec else {
        return Ok(first_steps::list_specs("recode run"));
    };
    init::lay_out_for(file)?;
    let spec = SpecArguments {
        spec: file.clone(),
        overrides: arguments.overrides.clone(),
    };
    let (experiment, around) = spec.load()?;
    let plan = spec_arguments::plan(&experiment, &around)?;
    spec_arguments::print_warnings(&experiment, &plan);
    let store = results_folder::of_spec(file);
    if let Some(weakness) = results_folder::lock_weakness(store.root()) {
        output::error_line(&format!("warning: {weakness}"));
    }
    let part = if arguments.only.is_empty() {
        plan.clone()
    } else {
        run_only::part(&plan, &store, &arguments.only, file)?
    };
    if part.jobs.is_empty() {
        output::error_line("no job has failed, so that there is nothing to run");
        return Ok(Exit::Done);
    }
    let is_in_queue = match arguments.on {
        Some(on) => on == On::Slurm,
        None => experiment.run.engine == EngineName::Slurm,
    };
    let mut outdated = BTreeSet::new();
    if arguments.rerun_on == Some(RerunOn::Code) {
        outdated = plan_steps::outdated(&plan, &store);
    }
    let is_open = |id: &JobId| outdated.contains(id) || store.job_dir(id).outcome().is_none();
    check_what_is_here(&part, is_open, &spec, is_in_queue)?;
    let estimates = plan_memory::estimates(&part, around.manifest.as_ref(), is_open);
    // No result is moved before all checks have passed.
    throw_away(&outdated, &part, &store)?;
    if is_in_queue {
        return queue::submit(&part, &store, &experiment.run, arguments.retries, &spec);
    }

    for warning in room::warnings(&estimates, &experiment.run) {
        output::error_line(&warning);
    }
    let origin = origin(&spec, &experiment, &around);
    let mirror = Mirror::start(&experiment.report, &plan, &store);
    let slots = arguments.jobs.map_or(experiment.run.slots, usize::from);
    let settings = Settings {
        slots,
        sharing: sharing::of_settings(&experiment.run),
        gpus: experiment.run.needs.gpus,
        retries: arguments.retries,
        fail_fast: arguments.fail_fast,
        ..Settings::default()
    };
    let progress = arguments.progress;
    let name = &plan.experiment;
    let summary = schedule(name, &part.jobs, &store, settings, progress, usize::MAX)?;
    print_warnings(&plan, &store);
    // Also after a failure: the other cells are worth reading, and the notes say what failed.
    let has_failed = arguments.fail_fast && summary.unsuccessful() > 0;
    if summary.is_stopped() && !has_failed {
        mirror.stop();
    } else {
        let table = write_table(&plan, &store, &origin, Replace::Any)?;
        output::result(&if arguments.json {
            table.to_json()
        } else {
            table.to_markdown()
        });
        mirror.finish();
    }
    Ok(conclude(&summary, &spec, &arguments.only, has_failed))
}

/// Moves the results of jobs to the trash that the program as it was has done.
fn throw_away(outdated: &BTreeSet<JobId>, part: &Plan, store: &Store) -> Result<(), Failure> {
    let trash = Trash::of(store);
    for job in part.jobs.iter().filter(|job| outdated.contains(&job.id)) {
        let thrown = trash.take(&store.job_dir(&job.id));
        if let Thrown::Moved(to) = thrown.map_err(|error| Failure::new(Exit::Missing, &error))? {
            let to = to.display();
            output::error_line(&format!(
                "again   {}  the code has changed; before: {to}",
                job.id
            ));
        }
    }
    Ok(())
}

/// Prints what makes the figures of jobs doubtful, also of those that were done before.
fn print_warnings(plan: &Plan, store: &Store) {
    for job in &plan.jobs {
        let outcome = store.job_dir(&job.id).outcome();
        for warning in outcome.as_ref().map(Outcome::warnings).unwrap_or_default() {
            output::error_line(&format!("warning: {}: {warning}", job.id));
        }
    }
}

/// Runs the jobs; of the user's requests to stop, at most `most_requests` are heeded. It must be called on the main
/// thread: workers end with the thread that started them.
pub(super) fn schedule(
    name: &str,
    jobs: &[Job],
    store: &Store,
    settings: Settings,
    progress: Kind,
    most_requests: usize,
) -> Result<Summary, Failure> {
    let mut launcher =
        Process::this_program().map_err(|error| Failure::new(Exit::Missing, &error))?;
    let mut signals = Signals::new([SIGINT, SIGTERM, SIGUSR1])
        .map_err(|error: io::Error| Failure::new(Exit::Missing, &error))?;
    let mut requests = 0;
    let devices = Backend::Cuda.devices();
    let mut display = Display::new(progress, name, jobs, store);
    let mut scheduler = Scheduler {
        store,
        launcher: &mut launcher,
        listener: &mut display,
        stop_requests: &mut || {
            requests += signals.pending().count();
            requests.min(most_requests)
        },
        settings,
        devices: &devices,
    };
    let summary = scheduler.run(jobs);
    display.finish();
    summary.map_err(|error| Failure::new(Exit::Bug, &error))
}

/// Refuses to start what would fail: says at once what the jobs would find missing one by one.
fn check_what_is_here(
    plan: &Plan,
    is_open: impl Fn(&JobId) -> bool,
    spec: &SpecArguments,
    is_in_queue: bool,
) -> Result<(), Failure> {
    let open: Vec<&Job> = plan.jobs.iter().filter(|job| is_open(&job.id)).collect();
    let mut shortfalls = shortfalls(plan, &open);
    // A login node has no GPU, and perhaps no Python; the nodes do.
    let is_of_this_machine = |shortfall: &Shortfall<'_>| match shortfall {
        Shortfall::Backend(reason) => !matches!(reason, Unavailable::NotBuilt(_)),
        Shortfall::Python(_) => true,
        Shortfall::Input(_) | Shortfall::Key { .. } => false,
    };
    shortfalls.retain(|shortfall| !is_in_queue || !is_of_this_machine(shortfall));
    let inputs: Vec<&Missing> = shortfalls
        .iter()
        .filter_map(|shortfall| match shortfall {
            Shortfall::Input(missing) => Some(*missing),
            _ => None,
        })
        .collect();
    match (inputs.as_slice(), shortfalls.first()) {
        (_, None) => Ok(()),
        ([first, _, ..], _) => {
            let others = inputs.len() - 1;
            let text = format!("{}, and {others} more", first.what);
            let spec = spec.spec.display();
            let how = format!("{}; `recode plan {spec}` lists all", first.how);
            Err(Failure::text(Exit::Missing, text).hint(how))
        }
        (_, Some(first)) => Err(first.failure()),
    }
}

/// Says what is left to do, and how to go on with it.
fn conclude(summary: &Summary, spec: &SpecArguments, only: &[String], has_failed: bool) -> Exit {
    let done = summary
        .ends
        .values()
        .filter(|end| End::is_done(end))
        .count();
    let of = count(summary.ends.len(), "job");
    let again = command_line(spec, only);
    if summary.is_stopped() && !has_failed {
        output::error_line(&format!("stopped: {done} of {of} done; to go on: {again}"));
        Exit::Stopped
    } else if summary.unsuccessful() > 0 {
        output::error_line(&format!(
            "{done} of {of} done; to try the others again: {again}"
        ));
        Exit::JobFailed
    } else {
        Exit::Done
    }
}

/// The command that goes on with the same jobs.
fn command_line(spec: &SpecArguments, only: &[String]) -> String {
    let mut words = vec![
        "recode run".to_owned(),
        quoted(&spec.spec.display().to_string()),
    ];
    for setting in &spec.overrides {
        words.extend(["--set".to_owned(), quoted(setting)]);
    }
    for what in only {
        words.extend(["--only".to_owned(), quoted(what)]);
    }
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_to_go_on_can_be_pasted_into_a_shell() {
        let overrides = ["run.slots=2", "run.seeds=[1, 2]", "name=it's"]
            .map(String::from)
            .to_vec();
        let spec = SpecArguments {
            spec: "experiments/x.toml".into(),
            overrides,
        };

        let only = ["failed", "train.reward=a b"].map(String::from);
        assert_eq!(
            command_line(&spec, &only),
            [
                "recode run experiments/x.toml",
                r"--set run.slots=2 --set 'run.seeds=[1, 2]' --set 'name=it'\''s'",
                "--only failed --only 'train.reward=a b'",
            ]
            .join(" ")
        );
    }
}
