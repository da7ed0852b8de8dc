//! The part of a plan that `--only` names.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use serde_json::Value as Json;

use super::{
    exit::{Exit, Failure},
    planned_job,
    upstream::with_upstream,
};
use crate::{
    plan::{Job, JobId, Plan},
    results::{JobState, Store},
};

/// The word for the jobs that have failed.
const FAILED: &str = "failed";

/// The jobs that the words name, with those that they need, in the order of the plan.
pub(super) fn part(
    plan: &Plan,
    store: &Store,
    only: &[String],
    spec: &Path,
) -> Result<Plan, Failure> {
    let mut wanted = Vec::new();
    for word in only {
        wanted.extend(named(word, plan, store, spec)?);
    }
    let jobs: BTreeMap<&JobId, &Job> = plan.jobs.iter().map(|job| (&job.id, job)).collect();
    let after = |id: &JobId| jobs.get(id).map_or_else(Vec::new, |job| job.after.clone());
    let wanted = with_upstream(wanted, after);
    let mut part = plan.clone();
    part.jobs.retain(|job| wanted.contains(&job.id));
    Ok(part)
}

fn named(word: &str, plan: &Plan, store: &Store, spec: &Path) -> Result<Vec<JobId>, Failure> {
    if word == FAILED {
        let has_failed =
            |id: &&JobId| matches!(store.job_dir(id).state(), Ok(JobState::Failed { .. }));
        let failed = plan.jobs.iter().map(|job| &job.id).filter(has_failed);
        return Ok(failed.cloned().collect());
    }
    if let Some((axis, value)) = word.split_once('=') {
        return of_value(axis.trim(), value.trim(), plan);
    }
    let begun = plan
        .jobs
        .iter()
        .map(|job| &job.id)
        .filter(|id| id.0.starts_with(word));
    let begun: Vec<JobId> = begun.cloned().collect();
    if begun.is_empty() {
        planned_job::find(word, plan, spec)?;
    }
    Ok(begun)
}

/// The jobs of the points that have a value on an axis.
fn of_value(axis: &str, value: &str, plan: &Plan) -> Result<Vec<JobId>, Failure> {
    if !plan.axes.iter().any(|known| known == axis) {
        let text = format!("`{axis}` is not an axis of the grid");
        let hint = match plan.axes.as_slice() {
            [] => "the spec has no grid; name a job, or `failed`".to_owned(),
            axes => format!("its axes are {}", quoted(axes.iter().map(String::as_str))),
        };
        return Err(Failure::text(Exit::Usage, text).hint(hint));
    }
    let is_meant = |found: &Json| {
        let number = found.to_string();
        found.as_str() == Some(value) || number == value
    };
    let cells = plan.cells.iter();
    let cells = cells.filter(|cell| cell.point.get(axis).is_some_and(is_meant));
    let mut jobs = Vec::new();
    for cell in cells {
        jobs.extend(cell.evals.values().chain(&cell.train).cloned());
    }
    if jobs.is_empty() {
        let values = plan.cells.iter().filter_map(|cell| cell.point.get(axis));
        let values: BTreeSet<String> = values.map(Json::to_string).collect();
        let text = format!("no point of the grid has {axis}={value}");
        let hint = format!(
            "its values are {}",
            quoted(values.iter().map(|text| text.trim_matches('"')))
        );
        return Err(Failure::text(Exit::Usage, text).hint(hint));
    }
    Ok(jobs)
}

fn quoted<'a>(names: impl Iterator<Item = &'a str>) -> String {
    let names: Vec<String> = names.map(|name| format!("`{name}`")).collect();
    names.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{plan::tests::fixture::plan_of, results::Store};

    fn plan() -> Plan {
        plan_of(
            "name = \"t\"\ntrain.algorithm = \"grpo\"\n\
             eval.benchmarks = [\"humaneval\", \"code_update_arena\"]\n\
             [grid]\n\"train.reward\" = [\"em\", \"es\"]\n[table]\nbaseline = { method = \"untrained\" }\n",
        )
    }

    fn jobs(only: &[&str]) -> Result<Vec<JobId>, String> {
        let root = tempfile::tempdir().unwrap();
        let only: Vec<String> = only.iter().map(|word| (*word).to_owned()).collect();
        let part = part(
            &plan(),
            &Store::new(root.path()),
            &only,
            Path::new("x.toml"),
        );
        let jobs = part.map(|plan| plan.jobs.into_iter().map(|job| job.id).collect());
        jobs.map_err(Failure::into_message)
    }

    #[test]
    fn a_value_of_an_axis_names_the_jobs_of_its_points_and_a_name_those_that_begin_so() {
        let plan = plan();
        // By hand: two trainings, two evaluations on each, and two of the untrained model.
        assert_eq!(plan.jobs.len(), 8);

        let es = jobs(&["train.reward=es"]).unwrap();
        assert_eq!(es.len(), 3);
        assert_eq!(jobs(&["train"]).unwrap().len(), 2);
        // An evaluation needs its training.
        let eval = es.iter().find(|id| id.0.starts_with("eval")).unwrap();
        let with_training = jobs(&[&eval.0]).unwrap();
        assert_eq!(with_training.len(), 2);
        assert!(with_training[0].0.starts_with("train"));
        assert!(jobs(&["failed"]).unwrap().is_empty());
    }

    #[test]
    fn what_names_nothing_is_a_mistake() {
        assert_eq!(
            jobs(&["train.lr.peak=1"]).unwrap_err(),
            "`train.lr.peak` is not an axis of the grid"
        );
        assert_eq!(
            jobs(&["train.reward=tests"]).unwrap_err(),
            "no point of the grid has train.reward=tests"
        );
        assert_eq!(
            jobs(&["x"]).unwrap_err(),
            "the plan of `x.toml` has no job `x`"
        );
    }
}
