//! `recode plan`: prints the jobs of an experiment with their state; writes nothing.

use std::{collections::BTreeMap, path::Path};

use clap::Args;
use serde::Serialize;

use super::{
    exit::{Exit, Failure},
    output::{self, count},
    plan_memory, plan_power, results_folder,
    shortfalls::{Shortfall, shortfalls},
    spec_arguments::{self, SpecArguments},
};
use crate::{
    plan::{Job, JobId, JobKind, Memory, Missing, Plan, labels},
    report::{Power, power},
    results::{JobState, Progress, Store, in_words},
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
}

/// What would happen to a job, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
struct Step {
    action: Action,
    why: String,
}

/// What `run` would do with a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Action {
    Run,
    Resume,
    Retry,
    Running,
    Reuse,
    Blocked,
}

impl Action {
    fn name(self) -> &'static str {
        match self {
            Self::Run => "run",
            Self::Resume => "resume",
            Self::Retry => "retry",
            Self::Running => "running",
            Self::Reuse => "reuse",
            Self::Blocked => "blocked",
        }
    }
}

/// What `--json` prints.
#[derive(Serialize)]
struct Report<'a> {
    #[serde(flatten)]
    plan: &'a Plan,
    steps: BTreeMap<&'a JobId, Step>,
    /// Of trainings that take the same, the first.
    memory: BTreeMap<&'a JobId, &'a Memory>,
    /// The smallest difference that each column of the table can show.
    power: Vec<Power>,
}

/// Runs `recode plan`.
pub(super) fn run(arguments: &Arguments) -> Result<Exit, Failure> {
    let (experiment, around) = arguments.spec.load()?;
    let plan = spec_arguments::plan(&experiment, &around)?;
    spec_arguments::print_warnings(&experiment, &plan);
    let estimates = plan_memory::estimates(&plan, around.manifest.as_ref());
    let store = results_folder::of_spec(&arguments.spec.spec);
    let steps: Vec<Step> = plan
        .jobs
        .iter()
        .map(|job| step(job, &plan, &store))
        .collect();
    if arguments.json {
        let steps = plan.jobs.iter().map(|job| &job.id).zip(steps).collect();
        let memory = estimates.iter().map(|one| (one.job, &one.memory)).collect();
        let report = Report {
            plan: &plan,
            steps,
            memory,
            power: power(&plan, &store),
        };
        let text = serde_json::to_string_pretty(&report)
            .map_err(|error| Failure::new(Exit::Bug, &error))?;
        output::result(&text);
        return Ok(Exit::Done);
    }
    let most = if arguments.all {
        usize::MAX
    } else {
        MOST_LINES
    };
    let mut lines = text(&experiment, &plan, &steps, most, store.root());
    let ranks = experiment.run.ranks;
    if ranks > 1 {
        lines.push(format!(
            "each job is shared by {ranks} processes (`run.ranks`)"
        ));
    }
    let points = experiment.points.iter();
    let asked = points.map(|point| point.settings.run.needs.gpu_memory_bytes());
    lines.extend(plan_memory::lines(&estimates, asked.max().unwrap_or(0)));
    lines.extend(plan_power::lines(&power(&plan, &store)));
    lines.extend(lacking(&plan, &arguments.spec.spec));
    output::result(&lines.join("\n"));
    Ok(Exit::Done)
}

fn step(job: &Job, plan: &Plan, store: &Store) -> Step {
    let dir = store.job_dir(&job.id);
    let state = match dir.outcome_of(job).and_then(|_| dir.state()) {
        Ok(state) => state,
        Err(error) => {
            return Step {
                action: Action::Blocked,
                why: error.to_string(),
            };
        }
    };
    let lacking = plan
        .missing
        .iter()
        .filter(|missing| missing.needed_by.contains(&job.id));
    let lacking: Vec<&str> = lacking.map(|missing| missing.name.as_str()).collect();
    let (action, why) = match state {
        JobState::Done if dir.lacks_model() => {
            let why = "its model was removed; done again if a job needs it";
            (Action::Reuse, why.to_owned())
        }
        JobState::Done => (Action::Reuse, "done, same identity".to_owned()),
        JobState::Running {
            progress: Some(Progress { step, of, .. }),
            ..
        } => (Action::Running, format!("at step {step} of {of}")),
        JobState::Running { .. } => (Action::Running, "has just begun".to_owned()),
        _ if !lacking.is_empty() => (Action::Blocked, format!("not here: {}", lacking.join(", "))),
        JobState::Resumable { step } => (Action::Resume, format!("interrupted after step {step}")),
        JobState::Failed { reason } => {
            let first = reason.lines().next().unwrap_or_default();
            (Action::Retry, format!("failed: {first}"))
        }
        JobState::New => (Action::Run, "no result yet".to_owned()),
    };
    Step { action, why }
}

/// The plan for a person.
fn text(
    experiment: &Experiment,
    plan: &Plan,
    steps: &[Step],
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
        "{:14}  {:width$}  {:14}  {:7}  WHY",
        "JOB", "WHAT", "AFTER", "STATE"
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
            "{id:14}  {what:width$}  {after:14}  {state:7}  {}",
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
        ("to run", of(&[Action::Run, Action::Retry])),
        ("resume", of(&[Action::Resume])),
        ("running", of(&[Action::Running])),
        ("reuse", of(&[Action::Reuse])),
        ("blocked", of(&[Action::Blocked])),
    ];
    let parts = parts.map(|(name, count)| format!("{name} {count}"));
    parts.join(" · ")
}

/// What this machine lacks, and how to get it.
fn lacking(plan: &Plan, spec: &Path) -> Vec<String> {
    let jobs: Vec<&Job> = plan.jobs.iter().collect();
    let shortfalls = shortfalls(plan, &jobs);
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
