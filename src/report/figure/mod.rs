//! Figures of what trainings logged, of benchmarks by kind of task, and of changes against the distance of the targets:
//! the paper's Figures 2 and 5, the evaluations during a training, and what shows whether a training is sound.

mod axis;
mod curves;
pub(super) mod distance;
mod kinds;
mod quantity;
mod start;
mod style;
mod svg;

use std::collections::BTreeSet;

use crate::{plan::Plan, results::Store};

use super::{ReportError, table::Table};

pub(super) use curves::{Curve, Logs, Point, curve, logs};
pub(super) use quantity::{QUANTITIES, Quantity};
pub(super) use style::style;
pub(super) use svg::BEFORE;

/// A figure and the name of its file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Figure {
    /// As `reward.svg`.
    pub(super) file: String,
    pub(super) svg: String,
}

/// The figures of a plan's finished trainings, of the benchmarks of its table that have several measures, and of the
/// distance of the targets; a quantity that no training logged has none.
pub(super) fn figures(
    plan: &Plan,
    store: &Store,
    table: &Table,
) -> Result<Vec<Figure>, ReportError> {
    let logs = logs(plan, store)?;
    let figure = |quantity: &Quantity| {
        let curves: Vec<Curve> = logs
            .iter()
            .filter_map(|logs| curve(logs, *quantity))
            .collect();
        (!curves.is_empty()).then(|| Figure {
            file: file(*quantity),
            svg: svg::svg(&plan.experiment, *quantity, &curves),
        })
    };
    let quantities = QUANTITIES.iter().filter(|quantity| quantity.has_file);
    let mut figures: Vec<Figure> = quantities.filter_map(figure).collect();
    let kinds = kinds::figures(table).into_iter();
    figures.extend(kinds.map(|(file, svg)| Figure { file, svg }));
    figures.extend(distance::svg(table).map(|svg| Figure {
        file: distance::FILE.to_owned(),
        svg,
    }));
    Ok(figures)
}

/// The names of all files that this program may write into a folder of figures.
pub(super) fn files() -> BTreeSet<String> {
    let mut files = kinds::files();
    files.insert(distance::FILE.to_owned());
    files.extend(QUANTITIES.iter().map(|quantity| file(*quantity)));
    files
}

fn file(quantity: Quantity) -> String {
    format!("{}.svg", quantity.file)
}
