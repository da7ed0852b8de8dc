//! `recode why`: the finished job that is most like a job, and exactly what differs.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use super::{
    code_drift::{Code, Drift},
    exit::{Exit, Failure},
    named_job,
    output::{self, count},
    plan_steps::{self, Step},
    planned_job, results_folder,
    spec_arguments::{self, SpecArguments},
};
use crate::{
    plan::{Difference, JobId, Plan, labels},
    results::{Finished, Nearest, Store},
};
use clap::Args;
use serde::Serialize;

/// Arguments of `recode why`.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// A job with a folder in the results, or a spec
    #[arg(value_name = "JOB|SPEC", value_parser = super::spec_name::parser())]
    what: PathBuf,

    /// A job of the spec's plan, or the beginning of its name [default: all that are not done]
    job: Option<String>,

    /// Change a setting of the spec, as for `run`
    #[arg(long = "set", value_name = "KEY=VALUE")]
    overrides: Vec<String>,

    /// Print the same as JSON
    #[arg(long)]
    json: bool,
}

/// What is said of a job.
#[derive(Serialize)]
struct Answer {
    job: JobId,
    what: String,
    /// What `run` would do with it; nothing for a job without a spec.
    #[serde(skip_serializing_if = "Option::is_none")]
    step: Option<Step>,
    /// The finished job that differs in the fewest values.
    nearest: Option<JobId>,
    differences: Vec<Difference>,
    /// How the program has changed since the nearest job was done.
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<Drift>,
}

/// Runs `recode why`.
pub(super) fn run(arguments: &Arguments) -> Result<Exit, Failure> {
    let is_spec = arguments.what.is_file() || arguments.what.extension().is_some();
    let answers = if is_spec {
        of_spec(arguments)?
    } else {
        let name = arguments.what.to_string_lossy();
        if arguments.job.is_some() || !arguments.overrides.is_empty() {
            let text = format!("`{name}` is not a spec, so that there is nothing to plan");
            return Err(Failure::text(Exit::Usage, text).hint("recode why SPEC JOB"));
        }
        vec![of_job(&name)?]
    };
    if arguments.json {
        let text = serde_json::to_string_pretty(&answers);
        output::result(&text.map_err(|error| Failure::new(Exit::Bug, &error))?);
    } else if answers.is_empty() {
        output::result("all jobs are done");
    } else {
        let texts: Vec<String> = answers.iter().map(in_words).collect();
        output::result(&texts.join("\n"));
    }
    Ok(Exit::Done)
}

/// The answer for a job that has a folder.
fn of_job(name: &str) -> Result<Answer, Failure> {
    let store = results_folder::of_current_folder();
    let dir = named_job::find(name, &store).map_err(|failure| {
        failure.or_hint("for a job that was never started, name its spec: recode why SPEC JOB")
    })?;
    let identity = dir.identity();
    let identity = identity.map_err(|error| Failure::new(Exit::Missing, &error))?;
    let Some(identity) = identity else {
        let path = dir.path().join("identity.json");
        let text = format!(
            "there is no `{}`, which says what the job depends on",
            path.display()
        );
        return Err(Failure::text(Exit::Missing, text));
    };
    let what = dir.job().ok().flatten().map(|job| job.what());
    let finished = Finished::read(&store);
    let leaves = finished.leaves(&identity, &BTreeMap::new());
    let nearest = finished.nearest(&dir.id(), &leaves);
    Ok(Answer {
        what: what.unwrap_or_default(),
        ..answer(dir.id(), nearest, &store)
    })
}

/// The answers for the jobs of a spec.
fn of_spec(arguments: &Arguments) -> Result<Vec<Answer>, Failure> {
    let spec = SpecArguments {
        spec: arguments.what.clone(),
        overrides: arguments.overrides.clone(),
    };
    let (experiment, around) = spec.load()?;
    let plan = spec_arguments::plan(&experiment, &around)?;
    let store = results_folder::of_spec(&spec.spec);
    let finished = Finished::read(&store);
    let named = arguments.job.as_ref();
    let named = named.map(|name| planned_job::find(name, &plan, Path::new(&spec.spec)));
    let named = named.transpose()?;
    let steps = plan_steps::steps(&plan, &store, &finished, false, 0);
    let labels = labels(&plan.jobs.iter().collect::<Vec<_>>());
    Ok(answers(
        &plan,
        steps,
        labels,
        named.map(|job| &job.id),
        &finished,
        &store,
    ))
}

fn answers(
    plan: &Plan,
    steps: Vec<Step>,
    labels: Vec<String>,
    named: Option<&JobId>,
    finished: &Finished,
    store: &Store,
) -> Vec<Answer> {
    let planned = plan.identities();
    let jobs = plan.jobs.iter().zip(steps).zip(labels);
    let is_asked = |id: &JobId, step: &Step| match named {
        Some(named) => named == id,
        None => step.action != plan_steps::Action::Reuse,
    };
    jobs.filter(|((job, step), _)| is_asked(&job.id, step))
        .map(|((job, mut step), what)| {
            let leaves = finished.leaves(&job.identity, &planned);
            let nearest = finished.nearest(&job.id, &leaves);
            step.compare(nearest.as_ref());
            Answer {
                what,
                step: Some(step),
                ..answer(job.id.clone(), nearest, store)
            }
        })
        .collect()
}

fn answer(job: JobId, nearest: Option<Nearest>, store: &Store) -> Answer {
    let (nearest, differences) = match nearest {
        Some(nearest) => (Some(nearest.job), nearest.differences),
        None => (None, Vec::new()),
    };
    let code = nearest
        .as_ref()
        .and_then(|id| Code::here().drift(&store.job_dir(id)));
    Answer {
        what: String::new(),
        step: None,
        job,
        nearest,
        differences,
        code,
    }
}

fn in_words(answer: &Answer) -> String {
    let mut lines = vec![
        format!("{}  {}", answer.job, answer.what)
            .trim_end()
            .to_owned(),
    ];
    if let Some(step) = &answer.step {
        lines.push(format!("  {}: {}", step.action.name(), step.why));
    }
    let Some(nearest) = &answer.nearest else {
        lines.push("  no other job of its kind is finished".to_owned());
        return lines.join("\n");
    };
    let differences = count(answer.differences.len(), "difference");
    lines.push(format!(
        "  nearest finished job: {nearest}, with {differences}"
    ));
    lines.extend(answer.differences.iter().map(|one| format!("    {one}")));
    if let Some(code) = &answer.code {
        lines.push(format!(
            "    the code, which makes no job new: {}",
            code.what
        ));
    }
    lines.join("\n")
}
