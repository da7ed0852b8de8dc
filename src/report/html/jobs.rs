//! The jobs: their settings with where those come from, digests, measures and history.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value as Json;

use crate::{
    plan::{self, Job, Plan},
    report::leaves::leaves,
    results::{Attempt, JobState, Outcome, Store},
};

#[derive(Debug, Serialize)]
pub(super) struct JobData {
    id: String,
    what: String,
    is_done: bool,
    state: String,
    warnings: Vec<String>,
    /// Key, value, and what set it.
    settings: Vec<[String; 3]>,
    digests: Vec<[String; 2]>,
    measures: Vec<[String; 2]>,
    /// What is known of each attempt.
    attempts: Vec<Vec<[String; 2]>>,
}

/// All jobs of a plan, in its order.
pub(super) fn jobs(plan: &Plan, store: &Store, origins: &BTreeMap<String, String>) -> Vec<JobData> {
    let jobs: Vec<&Job> = plan.jobs.iter().collect();
    let labels = plan::labels(&jobs);
    let data = jobs.iter().zip(labels).map(|(job, what)| {
        let dir = store.job_dir(&job.id);
        let outcome = dir.outcome();
        let digests = job.work.digests.iter();
        let digests = digests.map(|(role, digest)| [role.clone(), digest.to_string()]);
        let state = dir.state();
        JobData {
            id: job.id.to_string(),
            what,
            is_done: outcome.is_some(),
            state: state.map_or_else(|error| error.to_string(), |state| in_words(&state)),
            warnings: outcome
                .as_ref()
                .map_or_else(Vec::new, |outcome| outcome.warnings().to_vec()),
            settings: settings(job, &plan.axes, origins),
            digests: digests.chain(outcome.as_ref().map(result_digest)).collect(),
            measures: outcome.as_ref().map_or_else(Vec::new, measures),
            attempts: dir.provenance().attempts.iter().map(attempt).collect(),
        }
    });
    data.collect()
}

fn in_words(state: &JobState) -> String {
    match state {
        JobState::New => "not run yet".to_owned(),
        JobState::Resumable { step } => format!("interrupted after step {step}"),
        JobState::Running { .. } => "running".to_owned(),
        JobState::Failed { reason } => format!("failed: {reason}"),
        JobState::Done => "done".to_owned(),
    }
}

fn result_digest(outcome: &Outcome) -> [String; 2] {
    match outcome {
        Outcome::Train(outcome) => ["trained model".to_owned(), outcome.model_digest.to_string()],
        Outcome::Eval(outcome) => [
            "samples and verdicts".to_owned(),
            outcome.samples_digest.to_string(),
        ],
    }
}

fn measures(outcome: &Outcome) -> Vec<[String; 2]> {
    let pair = |name: &String, value: String| [name.clone(), value];
    match outcome {
        Outcome::Train(outcome) => {
            let steps = ["steps".to_owned(), outcome.steps.to_string()];
            let last = outcome.final_metrics.iter();
            let last = last.map(|(name, value)| pair(name, value.to_string()));
            let targets = outcome.target_log_prob.iter().map(|targets| {
                let text = "log-probability of a target's token, at the start";
                [text.to_owned(), targets.mean.to_string()]
            });
            std::iter::once(steps).chain(targets).chain(last).collect()
        }
        Outcome::Eval(outcome) => {
            let rates = outcome.metrics.iter();
            let rates = rates.map(|(name, value)| pair(name, value.to_string()));
            let counts = outcome.counts.iter();
            rates
                .chain(counts.map(|(name, count)| pair(name, count.to_string())))
                .collect()
        }
    }
}

/// The settings of a job by their keys in a spec. Paths of this machine are left out, because a report is
/// made to be sent to others.
fn settings(job: &Job, axes: &[String], origins: &BTreeMap<String, String>) -> Vec<[String; 3]> {
    let work = serde_json::to_value(&job.work).unwrap_or_default();
    let kind = job.work.kind().name();
    let keys = ["model", "train", "eval", "evaluation", "seed", "backend"];
    let work = work.get(kind).cloned().unwrap_or_default();
    let chosen = keys
        .into_iter()
        .filter_map(|key| Some((key.to_owned(), work.get(key)?.clone())));
    let found = leaves(&Json::Object(chosen.collect()));
    let line = |(path, value): (String, String)| {
        let key = key_of(&path);
        let origin = origin(&key, job, axes, origins);
        [key, value, origin]
    };
    // A model that is not from scratch does not read those settings.
    let is_from_scratch = job.work.model.base == "scratch";
    let is_read = |path: &str| is_from_scratch || !path.starts_with("model.scratch.");
    let is_path =
        |path: &str| path.strip_suffix(".data").is_some() || path == "model.scratch.tokenizer";
    found
        .into_iter()
        .filter(|(path, _)| is_read(path) && !is_path(path))
        .map(line)
        .collect()
}

/// The key in a spec of a value in a job.
fn key_of(path: &str) -> String {
    let renamed = [
        ("train.algorithm.", "train."),
        ("train.reward_settings.", "reward."),
        ("evaluation.eval.", "train.eval."),
    ];
    for (from, to) in renamed {
        if let Some(rest) = path.strip_prefix(from) {
            return [to, rest].concat();
        }
    }
    match path {
        "seed" => "run.seeds".to_owned(),
        "backend" => "run.backend".to_owned(),
        path => path.to_owned(),
    }
}

/// What set a value, as far as the spec says.
fn origin(key: &str, job: &Job, axes: &[String], origins: &BTreeMap<String, String>) -> String {
    // The table of an algorithm wins over the settings that all share.
    let own = job.work.as_train().and_then(|train| {
        let rest = key.strip_prefix("train.")?;
        Some(format!("train.{}.{rest}", train.algorithm.name()))
    });
    for key in own.iter().map(String::as_str).chain([key]) {
        if axes.iter().any(|axis| axis == key) {
            return "this row".to_owned();
        }
        if let Some(origin) = origins.get(key) {
            return origin.clone();
        }
    }
    String::new()
}

fn attempt(attempt: &Attempt) -> Vec<[String; 2]> {
    let mut lines = vec![("program", format!("recode {}", attempt.version))];
    if let Some(commit) = &attempt.commit {
        let changed = if attempt.dirty == Some(true) {
            ", with changes"
        } else {
            ""
        };
        lines.push(("commit", format!("{commit}{changed}")));
    }
    lines.push(("Cargo.lock", attempt.lock_file.to_string()));
    lines.push(("device", attempt.device.clone()));
    if attempt.ranks > 1 {
        lines.push(("processes", attempt.ranks.to_string()));
    }
    lines.push(("started", attempt.started.to_string()));
    if let Some(ended) = attempt.ended {
        lines.push(("ended", ended.to_string()));
    }
    let lines = lines
        .into_iter()
        .map(|(name, value)| [name.to_owned(), value]);
    let others = attempt.judge.iter().chain(&attempt.remote);
    let others = others.map(|(name, value)| [name.clone(), value.clone()]);
    let operations = attempt.operations.iter().map(|slow| {
        let how = format!(
            "{} times by {}: {}",
            slow.count, slow.implementation, slow.reason
        );
        [slow.operation.clone(), how]
    });
    lines.chain(others).chain(operations).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::tests::fixture::{job, plan_of};

    #[test]
    fn a_setting_has_the_key_of_a_spec_and_says_what_set_it() {
        let plan = plan_of(
            "name = \"x\"\n[model]\nbase = \"a\"\n[train]\nalgorithm = \"grpo\"\nbatch_size = 3\n\
             [train.grpo]\nbeta = 0.5\n[data]\ntrain = \"t\"\n[eval]\nbenchmarks = [\"humaneval\"]\n",
        );
        let origins = BTreeMap::from([
            ("train.batch_size".to_owned(), "x.toml:6:14".to_owned()),
            ("train.grpo.beta".to_owned(), "x.toml:8:8".to_owned()),
        ]);
        let training = plan
            .jobs
            .iter()
            .find(|job| job.work.as_train().is_some())
            .unwrap();

        let found = settings(training, &["train.lr.peak".to_owned()], &origins);

        let line = |key: &str| found.iter().find(|line| line[0] == key).unwrap();
        assert_eq!(line("train.grpo.beta")[1..], ["0.5", "x.toml:8:8"]);
        assert_eq!(line("train.lr.peak")[2], "this row");
        assert_eq!(line("run.backend")[1..], ["cpu", ""]);
        assert!(
            found.iter().all(|line| !line[1].starts_with('/')),
            "{found:?}"
        );
    }

    #[test]
    fn an_evaluation_has_settings_too() {
        let found = settings(&job("eval-1", &[]), &[], &BTreeMap::new());
        assert!(
            found.iter().any(|line| line[..2] == ["eval.samples", "2"]),
            "{found:?}"
        );
    }
}
