//! The settings of `[table]`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use crate::settings::{Kind, choice, settings};

settings! {
    /// The table of the results: its rows, its columns, and what they are compared with.
    pub struct TableSettings {
        /// The axes that make the rows; all axes if left out.
        #[key(Kind::TextOrList)]
        pub rows: Vec<String>,
        /// The columns, as `benchmark.metric`; pass@1 of every benchmark if left out.
        #[key(Kind::List(&Kind::Text))]
        pub cols: Vec<Column>,
        /// Show the values, or with `delta` the changes against the baseline.
        #[key(choice::<Show>("way to show a table"), default = "value")]
        pub show: Show,
        /// What rows are compared with: `{ method = "untrained" }`, or values of axes.
        #[key(Kind::Assignments)]
        pub baseline: Option<Baseline>,
        /// A table of `datasets/reference/`, such as `recode.table1`, to print next to ours.
        #[key(Kind::Text)]
        pub reference: Option<String>,
    }
}

/// A column of the table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Column {
    /// The benchmark.
    pub benchmark: String,
    /// The measure of the benchmark that is counted; its tests if there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub measure: Option<String>,
    /// The `k` of its pass@k.
    pub pass_at: usize,
}

impl Column {
    /// The metric's name, as `pass@5`, or `follows.pass@1` of a measure.
    pub fn metric(&self) -> String {
        match &self.measure {
            Some(measure) => format!("{measure}.pass@{}", self.pass_at),
            None => format!("pass@{}", self.pass_at),
        }
    }
}

/// What the cells of a table show.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Show {
    /// The values, and the changes in brackets where there is a baseline.
    Value,
    /// The changes against the baseline.
    Delta,
}

/// What rows are compared with.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Baseline {
    /// The model before training.
    Untrained,
    /// The row that has these values on these axes, and its own on the others.
    Values(BTreeMap<String, Json>),
}
