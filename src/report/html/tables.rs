//! The table and its breakdowns, with the same texts as in `table.md`.

use serde::Serialize;

use crate::report::{
    format::{blocks, legend, percent},
    table::{Cell, Table},
};

#[derive(Debug, Serialize)]
pub(super) struct TableData {
    /// Empty for the table itself.
    title: String,
    /// How many of the columns are labels.
    labels: usize,
    /// The headings, and then the rows.
    lines: Vec<Vec<String>>,
    /// What is shown about each cell of the rows, by the place of its column; empty where there is nothing.
    details: Vec<Vec<Option<String>>>,
}

/// All tables, the main one first.
pub(super) fn tables(table: &Table) -> Vec<TableData> {
    let blocks = blocks(table).into_iter().enumerate();
    blocks
        .map(|(place, block)| TableData {
            details: if place == 0 {
                details(table, block.labels)
            } else {
                Vec::new()
            },
            title: block.title,
            labels: block.labels,
            lines: block.lines,
        })
        .collect()
}

/// What the marks mean, a line each.
pub(super) fn marks(table: &Table) -> Vec<String> {
    legend(table)
}

/// What made the table, a line each.
pub(super) fn made_by(table: &Table) -> Vec<String> {
    let makers = table.made_by.iter();
    makers.map(|maker| format!("Made from {maker}.")).collect()
}

fn details(table: &Table, labels: usize) -> Vec<Vec<Option<String>>> {
    let rows = table.rows.iter().map(|row| {
        let mut line = vec![None; labels];
        for (column, cell) in row.cells.iter().enumerate() {
            line.push(detail(cell));
            if table.has_paper(column) {
                line.extend([None, None]);
            }
        }
        line
    });
    rows.collect()
}

/// The figure of a cell in full, and the jobs that it is of.
fn detail(cell: &Cell) -> Option<String> {
    let value = cell.value?;
    let mut lines = vec![format!("{} % of {} problems", percent(value.mean), value.n)];
    if let Some(error) = value.standard_error {
        lines.push(format!("standard error {} points", percent(error)));
    }
    let change = cell.change;
    if let Some((alone, corrected)) =
        change.and_then(|change| Some((change.p_value?, change.corrected_p_value?)))
    {
        lines.push(format!(
            "change: p-value {}, corrected {}",
            p_text(alone),
            p_text(corrected)
        ));
    }
    lines.extend(cell.sources.iter().map(|source| {
        let seed = source.seed;
        match source.value {
            Some(value) => format!("{}, seed {seed}: {} %", source.job, percent(value)),
            None => format!("{}, seed {seed}: no result", source.job),
        }
    }));
    Some(lines.join("\n"))
}

/// A p-value as people read it.
fn p_text(p_value: f64) -> String {
    if p_value < 0.0001 {
        "below 0.0001".to_owned()
    } else {
        format!("{p_value:.4}")
    }
}
