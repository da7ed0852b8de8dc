//! The rows and columns of a table, with the jobs of each cell and their outcomes.

use std::collections::BTreeMap;

use crate::{
    eval::EvalOutcome,
    plan::JobId,
    spec::{Column, Show},
};

use super::paper::Subject;

/// A table before it is filled.
#[derive(Clone, Debug)]
pub(super) struct Sheet {
    pub(super) experiment: String,
    pub(super) description: String,
    /// The names of the columns of labels.
    pub(super) axes: Vec<String>,
    pub(super) columns: Vec<Column>,
    pub(super) show: Show,
    /// What rows are compared with, in words.
    pub(super) baseline: Option<String>,
    pub(super) rows: Vec<SheetRow>,
}

/// A row before it is filled.
#[derive(Clone, Debug)]
pub(super) struct SheetRow {
    pub(super) labels: Vec<String>,
    pub(super) subject: Subject,
    /// Whether other rows are compared with this one.
    pub(super) is_baseline: bool,
    /// The row that this one is compared with.
    pub(super) baseline: Option<usize>,
    /// The mean log-probability of a token of the targets, of each training that has measured it.
    pub(super) target_log_probs: BTreeMap<JobId, f64>,
    /// The evaluations, one a seed, by benchmark.
    pub(super) runs: BTreeMap<String, Vec<Run>>,
}

/// An evaluation with one seed.
#[derive(Clone, Debug)]
pub(super) struct Run {
    pub(super) job: JobId,
    pub(super) seed: u64,
    pub(super) found: Found,
    /// What makes the figure doubtful: warnings of the evaluation, and of the training before it.
    pub(super) warnings: Vec<String>,
}

/// The outcome of a job, or why there is none.
#[derive(Clone, Debug)]
pub(super) enum Found {
    Done(EvalOutcome),
    /// There is none, and why.
    Hole(String),
}

impl Found {
    pub(super) fn outcome(&self) -> Option<&EvalOutcome> {
        match self {
            Self::Done(outcome) => Some(outcome),
            Self::Hole(_) => None,
        }
    }
}

impl SheetRow {
    /// The evaluations on a benchmark.
    pub(super) fn runs(&self, benchmark: &str) -> &[Run] {
        self.runs
            .get(benchmark)
            .map(Vec::as_slice)
            .unwrap_or_default()
    }
}
