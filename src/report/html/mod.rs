//! `report.html`: the table, the figures, the tasks and the jobs of an experiment as one page that works
//! from disk and asks for nothing else.
//!
//! The page is drawn by the scripts in this folder from JSON that is embedded in it. A plotting library
//! would be the largest part of the file, and its legends and keys would need as much code as drawing the
//! few lines ourselves.
//!
//! What models have written is hostile: the JSON is embedded without any character that HTML knows, the
//! scripts never parse text as HTML, and the page's policy lets it load nothing but its own parts.

mod curves;
mod grid;
mod jobs;
mod page;
mod parts;
mod prompts;
mod samples;
mod tables;
mod training;

use std::{collections::BTreeMap, path::Path};

use serde_json::json;

use crate::{plan::Plan, results::Store};

use super::{ReportError, gather, table::Table};

use parts::Parts;

/// The page's file.
pub(super) const FILE: &str = "report.html";

/// The folder next to the page, for the samples of a large report.
pub(super) const FOLDER: &str = "report";

/// Writes the page of a plan into the folder of its table.
///
/// `origins` says where the values of the spec were set, by their path.
pub(super) fn write(
    plan: &Plan,
    store: &Store,
    table: &Table,
    origins: &BTreeMap<String, String>,
    folder: &Path,
) -> Result<(), ReportError> {
    let sheet = gather::gather(plan, store);
    let mut parts = Parts::new(folder.join(FOLDER));
    let benchmarks = grid::benchmarks(plan, store, &sheet, &mut parts)?;
    let trainings = training::trainings(plan, store, &mut parts)?;
    let rows: Vec<String> = sheet.rows.iter().map(|row| row.labels.join(" ")).collect();
    let embedded = parts.finish()?;
    let data = json!({
        "experiment": table.experiment,
        "description": table.description,
        "made_by": tables::made_by(table),
        "tables": tables::tables(table),
        "marks": tables::marks(table),
        "figures": curves::figures(plan, store, table)?,
        "rows": rows,
        "benchmarks": benchmarks,
        "trainings": trainings,
        "jobs": jobs::jobs(plan, store, origins),
        "parts_folder": FOLDER,
    });
    let page = page::page(&table.experiment, &data, &embedded);
    super::write(&folder.join(FILE), &page)
}
