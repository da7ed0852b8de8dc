//! Figures of what trainings logged: the paper's Figures 2 and 5, and the evaluations during a
//! training.

mod curves;
mod svg;

use crate::{plan::Plan, results::Store};

use super::ReportError;

/// A figure and the name of its file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Figure {
    /// As `reward.svg`.
    pub(super) file: String,
    pub(super) svg: String,
}

/// The figures of a plan's finished trainings; a quantity that no training logged has none.
pub(super) fn figures(plan: &Plan, store: &Store) -> Result<Vec<Figure>, ReportError> {
    let logs = curves::logs(plan, store)?;
    let mut figures = Vec::new();
    for quantity in curves::QUANTITIES {
        let curves: Vec<_> = logs
            .iter()
            .filter_map(|logs| curves::curve(logs, quantity))
            .collect();
        if curves.is_empty() {
            continue;
        }
        let file = format!("{}.svg", quantity.file);
        let svg = svg::svg(quantity.title, &curves).map_err(|source| ReportError::Draw {
            file: file.clone(),
            source,
        })?;
        figures.push(Figure { file, svg });
    }
    Ok(figures)
}
