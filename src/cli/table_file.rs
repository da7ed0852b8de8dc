//! A `table.json` as commands read it: the jobs behind its cells, and what made it.

use std::{collections::BTreeSet, fs, path::Path};

use serde_json::Value as Json;

use crate::plan::JobId;

/// The name of the file.
pub(super) const NAME: &str = "table.json";
/// A larger table is none.
const LARGEST: u64 = 256 << 20;

/// A table that was read.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct TableFile {
    pub(super) bytes: Vec<u8>,
    json: Json,
}

/// A cell of a table.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Cell<'a> {
    /// The row's labels.
    pub(super) labels: Vec<String>,
    pub(super) benchmark: &'a str,
    /// The jobs, one a seed.
    pub(super) jobs: Vec<JobId>,
    /// Whether there is a figure, and no hole.
    pub(super) has_figure: bool,
    /// All that the file has of it.
    pub(super) json: &'a Json,
}

impl TableFile {
    /// Reads a file; an error says why it is no table.
    pub(super) fn read(path: &Path) -> Result<Self, String> {
        let length = fs::metadata(path).map_err(|error| error.to_string())?.len();
        if length > LARGEST {
            return Err("it is too large for a table".to_owned());
        }
        Self::of_bytes(fs::read(path).map_err(|error| error.to_string())?)
    }

    /// The table in a file's bytes.
    pub(super) fn of_bytes(bytes: Vec<u8>) -> Result<Self, String> {
        let json: Json = serde_json::from_slice(&bytes).map_err(|error| error.to_string())?;
        if !json.get("rows").is_some_and(Json::is_array) {
            return Err("it has no rows, as a table has".to_owned());
        }
        Ok(Self { bytes, json })
    }

    /// All cells, row by row.
    pub(super) fn cells(&self) -> Vec<Cell<'_>> {
        let columns = list(&self.json, "columns");
        let text = |value: &Json| value.as_str().map(str::to_owned);
        let mut cells = Vec::new();
        for row in list(&self.json, "rows") {
            let labels: Vec<String> = list(row, "labels").iter().filter_map(text).collect();
            for (place, cell) in list(row, "cells").iter().enumerate() {
                let heading = columns
                    .get(place)
                    .and_then(|column| column.get("benchmark"));
                let sources = list(cell, "sources").iter();
                let jobs = sources.filter_map(|source| text(source.get("job")?).map(JobId));
                cells.push(Cell {
                    labels: labels.clone(),
                    benchmark: heading.and_then(Json::as_str).unwrap_or_default(),
                    jobs: jobs.collect(),
                    has_figure: cell.get("value").is_some_and(Json::is_object),
                    json: cell,
                });
            }
        }
        cells
    }

    /// The names of all jobs in it, wherever they are.
    pub(super) fn jobs(&self) -> BTreeSet<JobId> {
        let mut jobs = BTreeSet::new();
        jobs_in(&self.json, &mut jobs);
        jobs
    }

    /// What it says of what made it: its spec, what was changed in that, or the digest of all settings.
    pub(super) fn maker(&self, key: &str) -> Option<&Json> {
        self.json.get("made_by")?.get(key)
    }
}

fn list<'a>(value: &'a Json, key: &str) -> &'a [Json] {
    let list = value.get(key).and_then(Json::as_array);
    list.map_or(&[], Vec::as_slice)
}

fn jobs_in(json: &Json, into: &mut BTreeSet<JobId>) {
    match json {
        Json::Object(members) => {
            if let Some(Json::String(job)) = members.get("job") {
                into.insert(JobId(job.clone()));
            }
            members.values().for_each(|value| jobs_in(value, into));
        }
        Json::Array(items) => items.iter().for_each(|value| jobs_in(value, into)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn cells_have_the_labels_of_their_row_and_the_benchmark_of_their_column() {
        let table = json!({
            "columns": [{"benchmark": "a"}, {"benchmark": "b"}],
            "rows": [{"labels": ["grpo", "es"], "cells": [
                {"sources": [{"job": "eval-1"}, {"job": "eval-2"}], "value": {"mean": 0.5}},
                {"sources": [{"job": "eval-3"}], "value": null},
            ]}],
            "made_by": {"spec": "x.toml"},
        });
        let table = TableFile::of_bytes(table.to_string().into_bytes()).unwrap();

        let cells = table.cells();
        let found: Vec<_> = cells
            .iter()
            .map(|cell| (cell.benchmark, cell.jobs.len(), cell.has_figure))
            .collect();
        assert_eq!(found, [("a", 2, true), ("b", 1, false)]);
        assert_eq!(cells[1].labels, ["grpo", "es"]);
        assert_eq!(table.jobs().len(), 3);
        assert_eq!(table.maker("spec"), Some(&json!("x.toml")));
    }

    #[test]
    fn what_has_no_rows_is_no_table() {
        for text in ["{}", "[1]", "{\"rows\": 1}", "{\"rows\": ["] {
            assert!(TableFile::of_bytes(text.into()).is_err(), "{text}");
        }
    }
}
