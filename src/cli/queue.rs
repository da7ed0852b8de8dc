//! Slurm as commands use it: `recode run --on slurm`, and the words for `status` and `plan`.

use std::collections::BTreeMap;

use super::{
    exit::{Exit, Failure},
    output::{self, count},
    sharing,
    spec_arguments::SpecArguments,
};
use crate::{
    engine::{
        CarriedOut, Engine as _,
        slurm::{self, Client, Slurm, Standing, Submission, Survey, Ticket},
    },
    plan::{JobId, Plan},
    results::Store,
    spec::RunSettings,
};

/// Submits what is missing of a plan.
pub(super) fn submit(
    plan: &Plan,
    store: &Store,
    run: &RunSettings,
    retries: u32,
    spec: &SpecArguments,
) -> Result<Exit, Failure> {
    let program = std::env::current_exe();
    let program = program.map_err(|error| Failure::new(Exit::Missing, &error))?;
    let mut report = vec!["report".to_owned(), spec.spec.display().to_string()];
    for setting in &spec.overrides {
        report.extend(["--set".to_owned(), setting.clone()]);
    }
    let mut slurm = Slurm {
        store,
        client: Client::default(),
        program,
        needs: &run.needs,
        settings: &run.slurm,
        retries,
        ranks: run.ranks,
        nodes: run.nodes,
        sharing: sharing::of_settings(run).arguments(),
        report,
    };
    let carried_out = slurm.carry_out(plan);
    let carried_out = carried_out.map_err(|error| Failure::new(Exit::Missing, &error))?;
    if let CarriedOut::Submitted(submission) = carried_out {
        output::result(&in_words(plan, &submission));
    }
    Ok(Exit::Done)
}

/// What was submitted, and where the other jobs stand.
fn in_words(plan: &Plan, submission: &Submission) -> String {
    let [done, running, queued] = submission.before.counts();
    let mut lines = Vec::new();
    for job in &plan.jobs {
        if let Some(Standing::Queued { task, words, .. }) = submission.before.standings.get(&job.id)
        {
            lines.push(format!("{}  {task} {words}", job.id));
        }
    }
    lines.push(format!(
        "{}: {done} done, {running} running, {queued} in the queue before",
        count(plan.jobs.len(), "job"),
    ));
    let numbers: Vec<String> = submission.arrays.iter().map(ToString::to_string).collect();
    if let Some(report) = submission.report {
        lines.push(format!(
            "submitted {} in {} ({}); job {report} writes the table at the end",
            count(submission.submitted.len(), "job"),
            count(numbers.len(), "array"),
            numbers.join(", "),
        ));
        lines.push("nothing has to stay alive here; `recode status` says how far it is".to_owned());
    } else {
        lines.push("nothing is missing".to_owned());
    }
    lines.join("\n")
}

/// Records how submitted jobs ended that could not record it themselves, for the holes of a table.
pub(super) fn record_ends(plan: &Plan, store: &Store) {
    let survey = survey(plan.jobs.iter().map(|job| &job.id), store);
    if let Err(error) = slurm::record_ends(&survey, &plan.jobs, store) {
        output::error_line(&format!("warning: how jobs ended is not recorded: {error}"));
    }
}

/// Where those jobs stand that were submitted; empty if none was, or if Slurm does not answer.
fn survey<'a>(jobs: impl IntoIterator<Item = &'a JobId>, store: &Store) -> Survey {
    let submitted: Vec<&JobId> = jobs
        .into_iter()
        .filter(|id| Ticket::of(&store.job_dir(id)).is_some())
        .collect();
    if submitted.is_empty() {
        return Survey::default();
    }
    Survey::of(submitted, store, &Client::default()).unwrap_or_else(|error| {
        output::error_line(&format!("warning: the queue is not known: {error}"));
        Survey::default()
    })
}

/// What Slurm says of those jobs that were submitted and have not begun, or that have ended without an outcome.
pub(super) fn words<'a>(
    jobs: impl IntoIterator<Item = &'a JobId>,
    store: &Store,
) -> BTreeMap<JobId, String> {
    let survey = survey(jobs, store);
    let words = |(id, standing)| match standing {
        Standing::Queued { task, words, .. } => Some((id, format!("Slurm job {task}: {words}"))),
        Standing::Open { ended: Some(words) } => Some((id, words)),
        _ => None,
    };
    survey.standings.into_iter().filter_map(words).collect()
}
