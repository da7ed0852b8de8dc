//! Reads the outcomes of a plan's jobs into a sheet.

use std::collections::BTreeMap;

use serde_json::Value as Json;

use crate::{
    model::ModelSettings,
    plan::{Cell, JobId, Plan},
    results::{self, JobState, Store},
    reward::Mix,
    spec::Baseline,
};

use super::{
    paper::Subject,
    sheet::{Found, Run, Sheet, SheetRow},
};

/// The axis of methods.
const METHOD_AXIS: &str = "train.algorithm";
/// The axis of rewards.
const REWARD_AXIS: &str = "train.reward";
/// The axis of base models.
const BASE_AXIS: &str = "model.base";
const UNTRAINED: &str = "untrained";

/// Collects what is there of a plan.
pub(super) fn gather(plan: &Plan, store: &Store) -> Sheet {
    let has_axes = !plan.table.rows.is_empty();
    let axes = if has_axes {
        plan.table.rows.clone()
    } else {
        vec!["method".to_owned()]
    };
    let mut rows: Vec<SheetRow> = Vec::new();
    for cell in &plan.cells {
        let labels = labels(cell, &plan.table.rows);
        let place = rows
            .iter()
            .position(|row| row.labels == labels)
            .unwrap_or_else(|| {
                rows.push(empty_row(cell, labels));
                rows.len() - 1
            });
        rows[place]
            .target_log_probs
            .extend(target_log_prob(plan, store, cell));
        for (benchmark, job) in &cell.evals {
            let runs = rows[place].runs.entry(benchmark.clone()).or_default();
            // Points that need the same work share its jobs.
            if runs.iter().any(|run| run.job == *job) {
                continue;
            }
            let found = find(plan, store, job);
            let run = Run {
                job: job.clone(),
                seed: cell.seed,
                found,
                warnings: warnings(store, cell, job),
            };
            runs.push(run);
        }
    }
    connect_baselines(plan, &mut rows);
    Sheet {
        experiment: plan.experiment.clone(),
        description: plan.description.clone(),
        axes,
        columns: plan.table.cols.clone(),
        show: plan.table.show,
        baseline: plan.table.baseline.as_ref().map(in_words),
        rows,
    }
}

fn empty_row(cell: &Cell, labels: Vec<String>) -> SheetRow {
    SheetRow {
        labels,
        subject: Subject {
            model: cell.model.clone(),
            method: cell.method.clone(),
            reward: cell.reward.as_ref().map(Mix::label),
        },
        is_baseline: cell.is_baseline,
        baseline: None,
        target_log_probs: BTreeMap::new(),
        runs: BTreeMap::new(),
    }
}

/// The cell's values on the axes of the rows; an untrained model has none on those of training, and a method without
/// a reward none on that of rewards.
pub fn labels(cell: &Cell, axes: &[String]) -> Vec<String> {
    if axes.is_empty() {
        return vec![cell.method.clone()];
    }
    let mut labels: Vec<String> = axes
        .iter()
        .map(|axis| match cell.point.get(axis) {
            Some(_) if axis == METHOD_AXIS => cell.method.clone(),
            // What the point has there is not read.
            Some(_) if axis == REWARD_AXIS && cell.reward.is_none() => String::new(),
            // `remote` says where the model is; its name says which one it is.
            Some(Json::String(base)) if axis == BASE_AXIS && base == ModelSettings::REMOTE => {
                cell.model.clone()
            }
            Some(Json::String(text)) => text.clone(),
            Some(value) => value.to_string(),
            None => String::new(),
        })
        .collect();
    // A row says `untrained` once.
    let is_said = labels.iter().any(|label| label == UNTRAINED);
    if cell.method == UNTRAINED
        && !is_said
        && let Some(label) = labels.iter_mut().find(|label| label.is_empty())
    {
        UNTRAINED.clone_into(label);
    }
    labels
}

fn connect_baselines(plan: &Plan, rows: &mut [SheetRow]) {
    for cell in &plan.cells {
        let labels = labels(cell, &plan.table.rows);
        let has_a_job = |row: &SheetRow| {
            let mut jobs = row.runs.values().flatten().map(|run| &run.job);
            jobs.any(|job| cell.baseline.values().any(|baseline| baseline == job))
        };
        let place = rows.iter().position(|row| row.labels == labels);
        // Points that make one row may have one another as baselines; a row is not compared with itself.
        let baseline = rows.iter().position(has_a_job);
        let baseline = baseline.filter(|baseline| Some(*baseline) != place);
        if let Some(row) = place.and_then(|place| rows.get_mut(place)) {
            row.baseline = row.baseline.or(baseline);
        }
    }
}

fn in_words(baseline: &Baseline) -> String {
    match baseline {
        Baseline::Untrained => "the untrained model".to_owned(),
        Baseline::Values(values) => {
            let settings = values
                .iter()
                .map(|(axis, value)| format!("{axis} = {value}"));
            settings.collect::<Vec<_>>().join(", ")
        }
    }
}

/// The last training of a cell, with the mean log-probability of a token of its targets if it has measured that.
fn target_log_prob(plan: &Plan, store: &Store, cell: &Cell) -> Option<(JobId, f64)> {
    let job = plan.job(cell.train.as_ref()?)?;
    let outcome = store.job_dir(&job.id).outcome_of(job).ok()??;
    let targets = outcome.as_train()?.target_log_prob?;
    Some((job.id.clone(), targets.mean))
}

/// What makes the figure of a cell doubtful, with the job that says so.
fn warnings(store: &Store, cell: &Cell, eval: &JobId) -> Vec<String> {
    let jobs = [Some(eval), cell.train.as_ref()].into_iter().flatten();
    let found = jobs.filter_map(|id| {
        let dir = store.job_dir(id);
        let outcome = dir.outcome()?;
        let doubt = outcome
            .as_eval()
            .and_then(|eval| dir.doubt_about_samples(eval));
        Some((
            id,
            outcome
                .warnings()
                .iter()
                .cloned()
                .chain(doubt)
                .collect::<Vec<_>>(),
        ))
    });
    found
        .flat_map(|(id, warnings)| {
            let text = |warning: String| format!("{warning} ({id})");
            warnings.into_iter().map(text).collect::<Vec<_>>()
        })
        .collect()
}

/// What a job gave, or why it gave nothing.
fn find(plan: &Plan, store: &Store, id: &JobId) -> Found {
    let dir = store.job_dir(id);
    let outcome = match plan.job(id) {
        Some(job) => dir.outcome_of(job),
        None => Ok(dir.outcome()),
    };
    let outcome = match outcome {
        Ok(outcome) => outcome,
        Err(error) => return Found::Hole(results::in_words(&error)),
    };
    match outcome.as_ref().and_then(|outcome| outcome.as_eval()) {
        Some(outcome) => Found::Done(outcome.clone()),
        None => Found::Hole(reason(plan, store, id)),
    }
}

/// Why a job has no outcome: it has failed, or a job before it has, or something is missing.
fn reason(plan: &Plan, store: &Store, id: &JobId) -> String {
    let upstream = plan
        .job(id)
        .map(|job| job.after.as_slice())
        .unwrap_or_default();
    for job in std::iter::once(id).chain(upstream) {
        if let Ok(JobState::Failed { reason }) = store.job_dir(job).state() {
            let line = reason.lines().next().unwrap_or_default();
            return format!("failed: {line} ({job})");
        }
    }
    let unfinished = upstream
        .iter()
        .find(|job| store.job_dir(job).outcome().is_none());
    match unfinished {
        Some(job) => reason(plan, store, job),
        None => match plan
            .missing
            .iter()
            .find(|missing| missing.needed_by.contains(id))
        {
            Some(missing) => format!("not run yet: {}", missing.what),
            None => "not run yet".to_owned(),
        },
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::{
        digest::Digest,
        eval::{EvalOutcome, TaskOutcome},
        plan::{Job, tests::fixture::job},
        report::Table,
        results::{Outcome, tests::fixture::trained},
        reward::Variant,
        spec::{Column, Show, TableSettings},
    };

    const BENCHMARK: &str = "mini_arena";

    fn cell(algorithm: Option<&str>, seed: u64, eval: &str, baseline: Option<&str>) -> Cell {
        let evals = |job: &str| BTreeMap::from([(BENCHMARK.to_owned(), JobId(job.into()))]);
        let point = algorithm.map(|name| (METHOD_AXIS.to_owned(), Json::from(name)));
        Cell {
            point: point.into_iter().collect(),
            seed,
            model: "scratch".into(),
            method: algorithm.unwrap_or(UNTRAINED).to_owned(),
            reward: None,
            train: None,
            evals: evals(eval),
            baseline: baseline.map(evals).unwrap_or_default(),
            is_baseline: baseline.is_none(),
        }
    }

    /// Two seeds of an untrained model that the grid lacks, of SFT, and of GRPO.
    fn plan(rows: &[&str]) -> Plan {
        let jobs: Vec<Job> = vec![
            job("train-sft", &[]),
            job("eval-sft1", &["train-sft"]),
            job("eval-sft2", &["train-sft"]),
        ];
        Plan {
            experiment: "example".into(),
            description: String::new(),
            axes: vec![METHOD_AXIS.into()],
            table: TableSettings {
                rows: rows.iter().map(|row| (*row).to_owned()).collect(),
                cols: vec![Column {
                    benchmark: BENCHMARK.into(),
                    measure: None,
                    pass_at: 1,
                }],
                show: Show::Value,
                baseline: Some(Baseline::Untrained),
                reference: None,
            },
            reference: None,
            cells: vec![
                cell(None, 1, "eval-base1", None),
                cell(None, 2, "eval-base2", None),
                cell(Some("sft"), 1, "eval-sft1", Some("eval-base1")),
                cell(Some("sft"), 2, "eval-sft2", Some("eval-base2")),
            ],
            jobs,
            missing: Vec::new(),
        }
    }

    fn outcome() -> Outcome {
        Outcome::Eval(EvalOutcome {
            benchmark: BENCHMARK.into(),
            tasks: vec![TaskOutcome {
                task_id: "arena/0".into(),
                group: None,
                kind: None,
                passed: vec![true],
                verdicts: vec!["pass".into()],
                measures: std::collections::BTreeMap::new(),
            }],
            metrics: BTreeMap::new(),
            counts: BTreeMap::new(),
            samples_digest: Digest::of_bytes(b""),
            warnings: Vec::new(),
        })
    }

    fn holes(sheet: &Sheet) -> Vec<String> {
        let runs = sheet.rows.iter().flat_map(|row| row.runs(BENCHMARK));
        let text = |run: &Run| match &run.found {
            Found::Done(_) => "done".to_owned(),
            Found::Hole(reason) => reason.clone(),
        };
        runs.map(text).collect()
    }

    #[test]
    fn seeds_share_a_row_and_rows_know_their_baseline() {
        let folder = tempfile::tempdir().unwrap();
        let sheet = gather(&plan(&[METHOD_AXIS]), &Store::new(folder.path()));
        let rows: Vec<_> = sheet
            .rows
            .iter()
            .map(|row| {
                (
                    row.labels[0].as_str(),
                    row.is_baseline,
                    row.baseline,
                    row.runs(BENCHMARK).len(),
                )
            })
            .collect();
        assert_eq!(
            rows,
            [(UNTRAINED, true, None, 2), ("sft", false, Some(0), 2)]
        );
    }

    #[test]
    fn a_remote_model_is_called_by_its_name_at_the_endpoint() {
        let mut cell = cell(Some("none"), 1, "eval-remote", None);
        cell.method = UNTRAINED.to_owned();
        cell.model = "qwen2.5-coder-32b-instruct".to_owned();
        cell.point
            .insert(BASE_AXIS.to_owned(), Json::from("remote"));

        let labels = labels(&cell, &[BASE_AXIS.to_owned(), METHOD_AXIS.to_owned()]);

        assert_eq!(labels, ["qwen2.5-coder-32b-instruct", UNTRAINED]);
    }

    #[test]
    fn a_method_without_a_reward_has_no_label_on_the_axis_of_rewards() {
        let axes = [METHOD_AXIS.to_owned(), REWARD_AXIS.to_owned()];
        let mut sft = cell(Some("sft"), 1, "eval-sft1", None);
        sft.point.insert(REWARD_AXIS.to_owned(), Json::from("es"));
        assert_eq!(labels(&sft, &axes), ["sft", ""]);
        sft.reward = Some(Mix::from(Variant::Es));
        assert_eq!(labels(&sft, &axes), ["sft", "es"]);
    }

    #[test]
    fn a_row_has_each_job_once_and_what_its_trainings_measured_of_their_targets() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::new(folder.path());
        let mut plan = plan(&[METHOD_AXIS]);
        // The same point twice, as of an axis that the work does not read.
        plan.cells.push(plan.cells[2].clone());
        for cell in &mut plan.cells[2..] {
            cell.train = Some(JobId("train-sft".into()));
        }
        let dir = store.job_dir(&JobId("train-sft".into()));
        dir.prepare(&job("train-sft", &[])).unwrap();
        dir.write_outcome(&trained()).unwrap();

        let sheet = gather(&plan, &store);

        assert_eq!(sheet.rows[1].runs(BENCHMARK).len(), 2);
        let table = Table::of(&plan, &store).unwrap();
        let json: Json = serde_json::from_str(&table.to_json()).unwrap();
        // Oracle: the fixture's own value, which both seeds share.
        assert_eq!(json["rows"][1]["target_log_prob"], -0.5);
        assert_eq!(json["rows"][0].get("target_log_prob"), None);
    }

    #[test]
    fn a_warning_of_a_job_or_of_its_training_is_a_note_of_the_cell() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::new(folder.path());
        let Outcome::Eval(evaluation) = outcome() else {
            panic!("an evaluation")
        };
        let doubtful = Outcome::Eval(EvalOutcome {
            warnings: vec!["3 of 4 prompts were cut".into()],
            ..evaluation
        });
        let dir = store.job_dir(&JobId("eval-sft1".into()));
        dir.prepare(&job("eval-sft1", &["train-sft"])).unwrap();
        dir.write_outcome(&doubtful).unwrap();

        let table = Table::of(&plan(&[METHOD_AXIS]), &store).unwrap();
        let text = table.to_markdown();

        assert!(
            text.contains("3 of 4 prompts were cut (eval-sft1)"),
            "{text}"
        );
    }

    #[test]
    fn samples_that_are_not_those_of_the_outcome_are_a_note_of_the_cell() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::new(folder.path());
        let dir = store.job_dir(&JobId("eval-sft1".into()));
        dir.prepare(&job("eval-sft1", &["train-sft"])).unwrap();
        let Outcome::Eval(mut evaluation) = outcome() else {
            panic!("an evaluation")
        };
        let line = |completion: &str| {
            format!(
                r#"{{"step":0,"task_id":"arena/0","index":0,"completion":"{completion}","tokens":1,"is_truncated":false,"judgement":null}}"#
            ) + "\n"
        };
        // Oracle: the digest of what `EvalOutcome` documents, made by hand.
        let samples = Json::from(vec![Json::from(vec![
            Json::from("arena/0"),
            Json::from(0),
            Json::from("x"),
            Json::from("unjudged"),
        ])]);
        evaluation.samples_digest = Digest::of_json(&samples);
        dir.write_outcome(&Outcome::Eval(evaluation)).unwrap();
        let notes = || {
            let table = Table::of(&plan(&[METHOD_AXIS]), &store).unwrap();
            table.to_markdown().contains("has other samples")
        };

        assert!(!notes(), "without the file there is no doubt");
        fs::write(dir.samples(), line("x")).unwrap();
        assert!(!notes(), "they are those of the outcome");
        for other in [line("y"), String::new(), line("x") + &line("x")] {
            fs::write(dir.samples(), other).unwrap();
            assert!(notes());
        }
    }

    #[test]
    fn without_axes_rows_are_methods() {
        let folder = tempfile::tempdir().unwrap();
        let sheet = gather(&plan(&[]), &Store::new(folder.path()));
        assert_eq!(sheet.axes, ["method"]);
        assert_eq!(
            sheet
                .rows
                .iter()
                .map(|row| &row.labels[0])
                .collect::<Vec<_>>(),
            [UNTRAINED, "sft"]
        );
    }

    #[test]
    fn a_failed_training_explains_the_holes_behind_it() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::new(folder.path());
        let done = store.job_dir(&JobId("eval-base1".into()));
        done.prepare(&job("eval-base1", &[])).unwrap();
        done.write_outcome(&outcome()).unwrap();
        let failed = store.job_dir(&JobId("train-sft".into()));
        failed.prepare(&job("train-sft", &[])).unwrap();
        failed
            .record_failure(1, "out of memory\nat step 3")
            .unwrap();
        let reason = "failed: out of memory (train-sft)";
        assert_eq!(
            holes(&gather(&plan(&[METHOD_AXIS]), &store)),
            ["done", "not run yet", reason, reason]
        );
    }

    #[test]
    fn the_outcome_of_another_job_with_the_same_name_is_a_hole() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::new(folder.path());
        let dir = store.job_dir(&JobId("eval-sft1".into()));
        let other = Job {
            identity: Json::from("other"),
            ..job("eval-sft1", &[])
        };
        dir.prepare(&other).unwrap();
        dir.write_outcome(&outcome()).unwrap();

        let holes = holes(&gather(&plan(&[METHOD_AXIS]), &store));

        assert!(
            holes[2].contains("belongs to a job with other inputs"),
            "{holes:?}"
        );
    }
}
