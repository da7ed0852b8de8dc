//! Rows to tables, beside the paper's numbers.

mod compare;
mod error;
mod figure;
mod format;
mod gather;
mod notes;
mod paper;
mod sheet;
mod statistics;
mod table;

#[cfg(test)]
mod example;

use std::{fs, path::Path};

pub use error::ReportError;
pub use table::Table;

use crate::{
    disk::{
        DiskError,
        atomic::{self, Flush},
    },
    plan::Plan,
    results::Store,
};

use paper::Reference;

/// Replaces a file of a table's folder.
fn write(path: &Path, text: &str) -> Result<(), ReportError> {
    let written = atomic::write(path, text.as_bytes(), Flush::Now);
    Ok(written.map_err(DiskError::write(path))?)
}

/// Writes what a plan's finished trainings logged as figures into a folder, and tells their files.
pub fn write_figures(
    plan: &Plan,
    store: &Store,
    folder: &Path,
) -> Result<Vec<String>, ReportError> {
    let figures = figure::figures(plan, store)?;
    if !figures.is_empty() {
        fs::create_dir_all(folder).map_err(|source| ReportError::MakeFolder {
            path: folder.to_owned(),
            source,
        })?;
    }
    let mut files = Vec::new();
    for figure in figures {
        write(&folder.join(&figure.file), &figure.svg)?;
        files.push(figure.file);
    }
    Ok(files)
}

impl Table {
    /// The table of a plan from what is there, with holes where nothing is.
    ///
    /// The printed figures are looked for below `root`, the project's folder.
    pub fn of(plan: &Plan, store: &Store, root: &Path) -> Result<Self, ReportError> {
        let name = plan.table.reference.as_deref();
        let reference = name.map(|name| Reference::read(root, name)).transpose()?;
        Ok(compare::fill(
            &gather::gather(plan, store),
            reference.as_ref(),
        ))
    }

    /// The table for people: aligned Markdown.
    pub fn to_markdown(&self) -> String {
        format::markdown(self)
    }

    /// Every figure with all that it rests on.
    pub fn to_json(&self) -> String {
        format::json(self)
    }

    /// Writes `table.md`, `table.csv` and `table.json` into a folder, each whole or not at all.
    pub fn write(&self, folder: &Path) -> Result<(), ReportError> {
        fs::create_dir_all(folder).map_err(|source| ReportError::MakeFolder {
            path: folder.to_owned(),
            source,
        })?;
        for (ending, text) in format::ALL {
            write(&folder.join(format!("table.{ending}")), &text(self))?;
        }
        Ok(())
    }
}
