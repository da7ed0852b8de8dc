//! What is compared: the rows of a spec or of a table, or a job.

use std::{collections::BTreeMap, path::Path};

use serde_json::Value as Json;

use crate::{
    cli::{
        exit::{Exit, Failure},
        named_job, results_folder,
        spec_arguments::{self, SpecArguments},
        table_file::TableFile,
    },
    eval::EvalOutcome,
    plan::{JobId, JobKind, leaves_of},
    report::row_labels,
    results::{Outcome, Store},
};

/// One of the two things to compare.
pub(super) struct Side {
    pub(super) rows: Vec<Row>,
    store: Store,
    /// Of jobs that may not be on file.
    planned: BTreeMap<JobId, Json>,
}

/// Evaluations that belong together.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Row {
    pub(super) labels: Vec<String>,
    /// The jobs, one a seed, by benchmark; a training is a job without one.
    pub(super) jobs: BTreeMap<String, Vec<JobId>>,
}

impl Side {
    /// Reads what an argument names: a spec, a `table.json`, or a job.
    pub(super) fn read(what: &Path) -> Result<Self, Failure> {
        let ending = what.extension().and_then(|ending| ending.to_str());
        match ending {
            Some("json") => Self::of_table(what),
            Some("toml") => Self::of_spec(what),
            _ if what.is_file() => Self::of_spec(what),
            _ => Self::of_job(&what.to_string_lossy()),
        }
    }

    fn of_spec(spec: &Path) -> Result<Self, Failure> {
        let arguments = SpecArguments {
            spec: spec.to_owned(),
            overrides: Vec::new(),
        };
        let (experiment, around) = arguments.load()?;
        let plan = spec_arguments::plan(&experiment, &around)?;
        let mut rows: Vec<Row> = Vec::new();
        for cell in &plan.cells {
            let labels = row_labels(cell, &plan.table.rows);
            let jobs = cell.evals.iter();
            add(
                &mut rows,
                labels,
                jobs.map(|(name, job)| (name.as_str(), job)),
            );
        }
        let planned = plan.jobs.into_iter();
        Ok(Self {
            rows,
            store: results_folder::of_spec(spec),
            planned: planned.map(|job| (job.id, job.identity)).collect(),
        })
    }

    fn of_table(path: &Path) -> Result<Self, Failure> {
        let failure = |reason: String| {
            let text = format!("cannot read `{}`: {reason}", path.display());
            Failure::text(Exit::Usage, text).hint("name a `table.json` of `results/tables/`")
        };
        let table = TableFile::read(path).map_err(failure)?;
        let mut rows: Vec<Row> = Vec::new();
        for cell in table.cells() {
            let jobs = cell.jobs.iter().map(|job| (cell.benchmark, job));
            add(&mut rows, cell.labels, jobs);
        }
        Ok(Self {
            rows,
            store: results_folder::of_table(path),
            planned: BTreeMap::new(),
        })
    }

    fn of_job(name: &str) -> Result<Self, Failure> {
        let store = results_folder::of_current_folder();
        let dir = named_job::find(name, &store)
            .map_err(|failure| failure.or_hint("name a spec, a `table.json` or a job"))?;
        let benchmark = match dir.outcome() {
            Some(Outcome::Eval(outcome)) => outcome.benchmark,
            _ => String::new(),
        };
        let root = dir.path().parent().and_then(Path::parent);
        Ok(Self {
            rows: vec![Row {
                labels: vec![dir.id().0],
                jobs: BTreeMap::from([(benchmark, vec![dir.id()])]),
            }],
            store: root.map_or(store, Store::new),
            planned: BTreeMap::new(),
        })
    }

    /// The values that the results of a job depend on, by their paths.
    pub(super) fn leaves(&self, id: &JobId) -> Option<BTreeMap<String, Json>> {
        Some(leaves_of(&self.identity(id)?, &|id| self.identity(id)))
    }

    fn identity(&self, id: &JobId) -> Option<Json> {
        let planned = self.planned.get(id).cloned();
        planned.or_else(|| self.store.job_dir(id).identity().ok().flatten())
    }

    /// The outcomes of evaluations; those of the jobs that are not done are left out.
    pub(super) fn outcomes(&self, jobs: &[JobId]) -> Vec<EvalOutcome> {
        let outcomes = jobs
            .iter()
            .filter_map(|id| self.store.job_dir(id).outcome());
        let eval = |outcome| match outcome {
            Outcome::Eval(outcome) => Some(outcome),
            Outcome::Train(_) => None,
        };
        outcomes.filter_map(eval).collect()
    }

    /// What a training measured in its last step.
    pub(super) fn last_metrics(&self, id: &JobId) -> Option<BTreeMap<String, f64>> {
        if id.kind() != Some(JobKind::Train) {
            return None;
        }
        match self.store.job_dir(id).outcome()? {
            Outcome::Train(outcome) => Some(outcome.final_metrics),
            Outcome::Eval(_) => None,
        }
    }
}

/// Adds jobs to the row with these labels, each once.
fn add<'a>(
    rows: &mut Vec<Row>,
    labels: Vec<String>,
    jobs: impl Iterator<Item = (&'a str, &'a JobId)>,
) {
    let place = rows.iter().position(|row| row.labels == labels);
    let place = place.unwrap_or_else(|| {
        rows.push(Row {
            labels,
            jobs: BTreeMap::new(),
        });
        rows.len() - 1
    });
    for (benchmark, job) in jobs {
        let known = rows[place].jobs.entry(benchmark.to_owned()).or_default();
        if !known.contains(job) {
            known.push(job.clone());
        }
    }
}
