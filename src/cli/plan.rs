//! `recode plan`: prints the jobs of an experiment with their state; writes nothing.

use std::{collections::BTreeMap, mem::ManuallyDrop, path::Path, thread};

use clap::Args;
use serde::Serialize;

use super::{
    code_drift::{Drift, RerunOn},
    exit::{Exit, Failure},
    output::{self, count},
    plan_costs::{self, Cost, Costs},
    plan_memory, plan_power,
    plan_steps::{self, Action, Step},
    results_folder,
    shortfalls::{Shortfall, missing_python, shortfalls_with},
    spec_arguments::{self, SpecArguments},
};
use crate::{
    plan::{Job, JobId, JobKind, Memory, Missing, Plan, labels},
    report::{Power, power},
    results::{Finished, in_words},
    sandbox::PythonError,
    spec::Experiment,
};

/// Jobs that are listed without `--all`.
const MOST_LINES: usize = 24;

/// Arguments of `recode plan`.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    spec: SpecArguments,
    /// Print the same as JSON
    #[arg(long)]
    json: bool,
    /// Print all jobs, however many there are
    #[arg(long)]
    all: bool,
    /// Count jobs that are done as open if the program has changed since, as `run` does
    #[arg(long, value_enum, value_name = "WHAT")]
    rerun_on: Option<RerunOn>,
}

/// What `--json` prints.
#[derive(Serialize)]
struct Report<'a> {
    #[serde(flatten)]
    plan: &'a Plan,
    steps: BTreeMap<&'a JobId, Step>,
    /// What the jobs that would run will take, where finished jobs say so.
    costs: &'a BTreeMap<JobId, Cost>,
    /// Of trainings that take the same, the first.
    memory: BTreeMap<&'a JobId, &'a Memory>,
    /// The smallest difference that each column of the table can show.
    power: Vec<Power>,
}

/// Runs `recode plan`.
pub(super) fn run(arguments: &Arguments) -> Result<Exit, Failure> {
    // Asking a Python takes as long as the rest.
    let missing_python = thread::spawn(missing_python);
    let (experiment, around) = arguments.spec.load()?;
    // The process ends with this command: taking a large grid apart would be a fifth of its work.
    let experiment = ManuallyDrop::new(experiment);
    let plan = ManuallyDrop::new(spec_arguments::plan(&experiment, &around)?);
    spec_arguments::print_warnings(&experiment, &plan);
    let estimates = plan_memory::estimates(&plan, around.manifest.as_ref(), |_| true);
    let store = results_folder::of_spec(&arguments.spec.spec);
    let most = if arguments.all || arguments.json {
        usize::MAX
    } else {
        MOST_LINES
    };
    let finished = Finished::read(&store);
    let rerun = arguments.rerun_on == Some(RerunOn::Code);
    let steps = plan_steps::steps(&plan, &store, &finished, rerun, most);
    let costs = plan_costs::costs(&plan, &steps, &store, &finished);
    if arguments.json {
        let steps = plan.jobs.iter().map(|job| &job.id).zip(steps).collect();
        let memory = estimates.iter().map(|one| (one.job, &one.memory)).collect();
        let report = Report {
            plan: &plan,
            steps,
            costs: &costs.by_job,
            memory,
            power: power(&plan, &store),
        };
        let text = serde_json::to_string_pretty(&report)
            .map_err(|error| Failure::new(Exit::Bug, &error))?;
        output::result(&text);
        return Ok(Exit::Done);
    }
    let mut lines = text(&experiment, &plan, (&steps, &costs), most, store.root());
    lines.extend(costs.lines(experiment.run.slots, store.root()));
    lines.extend(drifts(&plan, &steps));
    let ranks = experiment.run.ranks;
    if ranks > 1 {
        let nodes = match experiment.run.nodes {
            1 => String::new(),
            nodes => format!(" on {nodes} nodes (`run.nodes`)"),
        };
        lines.push(format!(
            "each job is shared by {ranks} processes (`run.ranks`){nodes}"
        ));
    }
    let points = experiment.points.iter();
    let asked = points.map(|point| point.settings.run.needs.gpu_memory_bytes());
    lines.extend(plan_memory::lines(&estimates, asked.max().unwrap_or(0)));
    lines.extend(plan_power::lines(&power(&plan, &store)));
    let missing_python = || missing_python.join().ok().flatten();
    lines.extend(lacking(&plan, &arguments.spec.spec, missing_python));
    output::result(&lines.join("\n"));
    Ok(Exit::Done)
}

/// The plan for a person.
fn text(
    experiment: &Experiment,
    plan: &Plan,
    (steps, costs): (&[Step], &Costs),
    most: usize,
    results: &Path,
) -> Vec<String> {
    let is_training = |job: &&Job| job.id.kind() == Some(JobKind::Train);
    let trainings = plan.jobs.iter().filter(is_training).count();
    let mut lines = vec![format!(
        "{}  {} -> {} + {}, in `{}`",
        experiment.name,
        count(plan.cells.len(), "cell"),
        count(trainings, "training"),
        count(plan.jobs.len() - trainings, "evaluation"),
        results.display(),
    )];
    let labels = labels(&plan.jobs.iter().collect::<Vec<_>>());
    let width = labels.iter().map(String::len).max().unwrap_or(0).max(4);
    lines.push(format!(
        "{:14}  {:width$}  {:14}  {:7}  {:6}  WHY",
        "JOB", "WHAT", "AFTER", "STATE", "TIME"
    ));
    for ((job, what), step) in plan.jobs.iter().zip(&labels).zip(steps).take(most) {
        let after: Vec<&str> = job.after.iter().map(|id| id.0.as_str()).collect();
        let after = if after.is_empty() {
            "-".to_owned()
        } else {
            after.join(" ")
        };
        let (id, state) = (&job.id.0, step.action.name());
        lines.push(format!(
            "{id:14}  {what:width$}  {after:14}  {state:7}  {:6}  {}",
            costs.time(&job.id),
            step.why
        ));
    }
    if plan.jobs.len() > most {
        lines.push(format!("... {} more (--all)", plan.jobs.len() - most));
    }
    lines.push(totals(steps));
    lines
}

fn totals(steps: &[Step]) -> String {
    let of = |actions: &[Action]| {
        steps
            .iter()
            .filter(|step| actions.contains(&step.action))
            .count()
    };
    let parts = [
        ("to run", of(&[Action::Run, Action::Retry, Action::Again])),
        ("resume", of(&[Action::Resume])),
        ("running", of(&[Action::Running])),
        ("reuse", of(&[Action::Reuse])),
        ("blocked", of(&[Action::Blocked])),
    ];
    let parts = parts.map(|(name, count)| format!("{name} {count}"));
    parts.join(" · ")
}

/// How the program has changed since the jobs that are reused, a line for each change.
fn drifts(plan: &Plan, steps: &[Step]) -> Vec<String> {
    let mut jobs: BTreeMap<&Drift, Vec<&JobId>> = BTreeMap::new();
    for (job, step) in plan.jobs.iter().zip(steps) {
        let drift = step.drift.as_ref().filter(|_| step.action == Action::Reuse);
        if let Some(drift) = drift {
            jobs.entry(drift).or_default().push(&job.id);
        }
    }
    let mut lines: Vec<String> = jobs
        .iter()
        .map(|(drift, jobs)| {
            let others = match jobs.len() {
                1 => String::new(),
                count => format!(" and {} more", count - 1),
            };
            let first = jobs.first().map(|id| id.0.as_str()).unwrap_or_default();
            format!("the code has changed since {first}{others}: {}", drift.what)
        })
        .collect();
    if !lines.is_empty() {
        let recipe = crate::plan::RECIPE_VERSION;
        lines.push(format!(
            "they are reused, because the recipe is still version {recipe}; to do them again: --rerun-on code"
        ));
    }
    lines
}

/// What this machine lacks, and how to get it.
fn lacking(
    plan: &Plan,
    spec: &Path,
    missing_python: impl FnOnce() -> Option<PythonError>,
) -> Vec<String> {
    let jobs: Vec<&Job> = plan.jobs.iter().collect();
    let shortfalls = shortfalls_with(plan, &jobs, missing_python);
    let inputs = shortfalls.iter().filter_map(|shortfall| match shortfall {
        Shortfall::Input(missing) => Some(*missing),
        _ => None,
    });
    let mut lines = downloads(&inputs.collect::<Vec<_>>(), spec);
    lines.extend(shortfalls.iter().filter_map(|shortfall| {
        let reason = match shortfall {
            Shortfall::Input(_) => return None,
            Shortfall::Key { no_key, .. } => no_key.to_string(),
            Shortfall::Backend(reason) => reason.to_string(),
            Shortfall::Python(error) => in_words(error),
        };
        Some(format!("not possible here: {reason}"))
    }));
    lines
}

fn downloads(missing: &[&Missing], spec: &Path) -> Vec<String> {
    if missing.is_empty() {
        return Vec::new();
    }
    let gigabytes: f64 = missing.iter().filter_map(|one| one.gigabytes).sum();
    let size = if gigabytes > 0.0 {
        format!(" ({gigabytes:.1} GB)")
    } else {
        String::new()
    };
    let names: Vec<&str> = missing.iter().map(|one| one.name.as_str()).collect();
    vec![
        format!(
            "missing downloads: {}{size}: {}",
            names.len(),
            names.join(", ")
        ),
        format!("get them with: recode fetch {}", spec.display()),
    ]
}
