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
        for (benchmark, job) in &cell.evals {
            let found = find(plan, store, job);
            let run = Run {
                job: job.clone(),
                seed: cell.seed,
                found,
                warnings: warnings(store, cell, job),
            };
            rows[place]
                .runs
                .entry(benchmark.clone())
                .or_default()
                .push(run);
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
        runs: BTreeMap::new(),
    }
}

/// The cell's values on the axes of the rows; an untrained model has none on those of training.
pub fn labels(cell: &Cell, axes: &[String]) -> Vec<String> {
    if axes.is_empty() {
        return vec![cell.method.clone()];
    }
    let mut labels: Vec<String> = axes
        .iter()
        .map(|axis| match cell.point.get(axis) {
            Some(_) if axis == METHOD_AXIS => cell.method.clone(),
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
        let baseline = rows.iter().position(has_a_job);
        if let Some(row) = rows.iter_mut().find(|row| row.labels == labels) {
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
        results::Outcome,
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
