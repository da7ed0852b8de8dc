//! From the outcomes of jobs to tables, next to the paper's figures.

mod compare;
mod error;
mod figure;
mod format;
mod gather;
mod html;
mod leaves;
mod list;
mod maker;
mod notes;
mod paired;
mod paper;
mod power;
mod sheet;
mod statistics;
mod table;

#[cfg(test)]
mod tests;

use std::{fs, io, path::Path};

pub use error::ReportError;
pub use format::{percent, points};
pub use gather::labels as row_labels;
pub use maker::Origin;
pub use paired::{Paired, Parted, paired, parted};
pub use power::{Power, power};
pub use table::Table;

use crate::{
    disk::{
        DiskError,
        atomic::{self, Flush},
    },
    plan::Plan,
    results::Store,
};

use maker::Maker;
use paper::Reference;

/// Replaces a file of a table's folder.
fn write(path: &Path, text: &str) -> Result<(), ReportError> {
    let written = atomic::write(path, text.as_bytes(), Flush::Now);
    Ok(written.map_err(DiskError::write(path))?)
}

/// Removes a file of a table's folder, if it is there.
fn remove(path: &Path) -> Result<(), ReportError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(DiskError::write(path)(error).into())
        }
        _ => Ok(()),
    }
}

/// Draws what the finished trainings of a plan logged into a folder, and removes figures of earlier
/// trainings that these do not have; returns the names of the files.
pub fn write_figures(
    plan: &Plan,
    store: &Store,
    folder: &Path,
) -> Result<Vec<String>, ReportError> {
    let figures = figure::figures(plan, store, &Table::of(plan, store)?)?;
    let mut stale = figure::files();
    for figure in &figures {
        stale.remove(&figure.file);
    }
    for file in stale {
        remove(&folder.join(file))?;
    }
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

/// Writes `report.html` for people who want to look at a table's tasks, completions and figures; returns the
/// name of the file.
pub fn write_page(
    plan: &Plan,
    store: &Store,
    table: &Table,
    origin: &Origin,
    folder: &Path,
) -> Result<&'static str, ReportError> {
    html::write(plan, store, table, &origin.places, folder)?;
    Ok(html::FILE)
}

/// Writes the lists of jobs and of samples; returns the names of the files.
pub fn write_lists(
    plan: &Plan,
    store: &Store,
    folder: &Path,
) -> Result<Vec<&'static str>, ReportError> {
    let lists = lists(plan, store);
    for (file, text) in &lists {
        write(&folder.join(file), text)?;
    }
    Ok(lists.into_iter().map(|(file, _)| file).collect())
}

/// The lists of jobs and of samples, each with the name of its file.
pub fn lists(plan: &Plan, store: &Store) -> Vec<(&'static str, String)> {
    let results = list::Results::read(plan, store);
    let list = |(file, text): &list::List| (*file, text(&results));
    list::ALL.iter().map(list).collect()
}

impl Table {
    /// The table of a plan from the outcomes that are there, with holes for those that are not.
    pub fn of(plan: &Plan, store: &Store) -> Result<Self, ReportError> {
        let reference = match (&plan.reference, &plan.table.reference) {
            (Some(file), Some(name)) => Some(Reference::read(&file.path, name)?),
            _ => None,
        };
        Ok(compare::fill(
            &gather::gather(plan, store),
            reference.as_ref(),
        ))
    }

    /// The same table, saying what made it.
    #[must_use]
    pub fn made_by(mut self, origin: &Origin, plan: &Plan) -> Self {
        self.made_by = Some(Maker::new(origin, plan));
        self
    }

    /// The table for people: aligned Markdown.
    pub fn to_markdown(&self) -> String {
        format::markdown(self)
    }

    /// Every number, with the jobs and counts that it comes from.
    pub fn to_json(&self) -> String {
        format::json(self)
    }

    /// Writes a file `table.<ending>` of every format into a folder, each whole or not at all;
    /// returns the endings.
    pub fn write(&self, folder: &Path) -> Result<Vec<&'static str>, ReportError> {
        fs::create_dir_all(folder).map_err(|source| ReportError::MakeFolder {
            path: folder.to_owned(),
            source,
        })?;
        for (file, text) in self.files() {
            write(&folder.join(file), &text)?;
        }
        Ok(format::ALL.iter().map(|(ending, _)| *ending).collect())
    }

    /// The table in every format, each with the name of its file.
    pub fn files(&self) -> Vec<(String, String)> {
        let file = |(ending, text): &format::Format| (format!("table.{ending}"), text(self));
        format::ALL.iter().map(file).collect()
    }
}
