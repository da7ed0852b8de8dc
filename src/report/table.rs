//! A finished table, as every format prints it and `table.json` holds it.
//!
//! Rates are shares in 0..=1 here; the formats for people make percent of them. Nothing in a table
//! depends on time, machine or path, so that equal outcomes give equal bytes.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::{digest::Digest, plan::JobId, spec::Show};

use super::{maker::Maker, paper::Figure};

/// A table of results.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Table {
    /// The experiment's name.
    pub(super) experiment: String,
    /// What the experiment is meant to show.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(super) description: String,
    /// The names of the columns of labels.
    pub(super) axes: Vec<String>,
    pub(super) columns: Vec<Heading>,
    pub(super) show: Show,
    /// What changes are measured against, in words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) baseline: Option<String>,
    /// The printed table that ours is compared with, in words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) reference: Option<String>,
    pub(super) rows: Vec<Row>,
    /// The figures again, by kind of task.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) breakdowns: Vec<Breakdown>,
    /// Rows other than baselines, compared with each other if there are few.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) pairs: Vec<Pair>,
    /// The footnotes of cells, counted from 1.
    pub(super) notes: Vec<String>,
    /// What made the table; nothing in a table that no spec has made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) made_by: Option<Maker>,
}

impl Table {
    /// How many changes are compared with 0, and are corrected for each other.
    pub(super) fn tested_changes(&self) -> usize {
        let cells = self.rows.iter().flat_map(|row| &row.cells);
        let changes = cells.filter_map(|cell| cell.change);
        changes.filter(|change| change.p_value.is_some()).count()
    }

    /// How many differences of pairs of rows are compared with 0.
    pub(super) fn tested_pairs(&self) -> usize {
        let differences = self.pairs.iter().flat_map(|pair| &pair.differences);
        let changes = differences.flatten();
        changes.filter(|change| change.p_value.is_some()).count()
    }

    /// Whether a column has figures of the paper next to ours.
    pub(super) fn has_paper(&self, column: usize) -> bool {
        let mut cells = self.rows.iter().filter_map(|row| row.cells.get(column));
        cells.any(|cell| cell.paper.is_some())
    }
}

/// A column of figures.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Heading {
    pub(super) benchmark: String,
    pub(super) metric: String,
}

/// A column of figures, by kind of task.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Breakdown {
    pub(super) column: Heading,
    pub(super) rows: Vec<KindRow>,
}

/// One kind of task.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct KindRow {
    pub(super) kind: String,
    /// The value of each row of the table.
    pub(super) values: Vec<Option<Value>>,
}

/// Two rows against each other.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Pair {
    /// The row that the other is subtracted from, and the other.
    pub(super) rows: [usize; 2],
    /// The difference in each column.
    pub(super) differences: Vec<Option<Change>>,
}

/// A row of figures.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Row {
    /// The row's values on the axes.
    pub(super) labels: Vec<String>,
    /// Whether other rows are compared with this one.
    pub(super) is_baseline: bool,
    /// The mean log-probability of a token of the targets under the models that the row's trainings start from, in
    /// nats, as a mean over the seeds that have measured it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) target_log_prob: Option<f64>,
    pub(super) cells: Vec<Cell>,
}

/// One number, with the jobs and samples that it comes from.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub(super) struct Cell {
    /// The jobs, one a seed.
    pub(super) sources: Vec<Source>,
    /// The mean over problems; nothing marks a hole.
    pub(super) value: Option<Value>,
    /// The lowest and the highest mean of a seed, where there are several.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) seeds_range: Option<[f64; 2]>,
    /// The change against the baseline, problem by problem.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) change: Option<Change>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) paper: Option<Paper>,
    /// Numbers of notes.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) notes: Vec<usize>,
}

/// A job of a cell.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Source {
    pub(super) job: JobId,
    pub(super) seed: u64,
    /// The seed's own mean; nothing if there is no outcome.
    pub(super) value: Option<f64>,
    /// How many samples got each verdict; those that could not be judged, and those that were cut,
    /// are counted apart.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) counts: BTreeMap<String, u64>,
    /// Of the job's samples.
    pub(super) samples_digest: Option<Digest>,
}

/// A mean over problems with its error.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(super) struct Value {
    pub(super) mean: f64,
    /// Problems.
    pub(super) n: usize,
    pub(super) standard_error: Option<f64>,
    /// Half of the 95 % interval by Student's t.
    pub(super) half_width: Option<f64>,
    /// The 95 % interval on the log-odds, where the symmetric one would leave 0..=1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) interval: Option<[f64; 2]>,
    /// Whether all problems have the same result, so that they say nothing of the error.
    #[serde(skip)]
    pub(super) are_alike: bool,
}

/// A mean change with its error.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(super) struct Change {
    pub(super) mean: f64,
    pub(super) standard_error: Option<f64>,
    pub(super) half_width: Option<f64>,
    /// The 95 % interval on the log-odds, where the symmetric one would leave -1..=1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) interval: Option<[f64; 2]>,
    /// Of this change alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) p_value: Option<f64>,
    /// With Holm's correction for all changes of the table, or for all pairs of rows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) corrected_p_value: Option<f64>,
    /// Whether the corrected p-value is below 5 %.
    pub(super) is_distinguishable: bool,
    /// Whether the change is the same for all problems.
    #[serde(skip)]
    pub(super) are_alike: bool,
}

/// The printed figure, compared with ours.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(super) struct Paper {
    #[serde(flatten)]
    pub(super) figure: Figure,
    /// Ours less the paper's: of the values, or of the changes where the table shows changes.
    pub(super) difference: Option<f64>,
    /// Whether the difference is within both errors.
    pub(super) agrees: Option<bool>,
}
