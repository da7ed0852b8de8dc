//! What each cell is compared with.

use std::collections::BTreeMap;

use serde_json::Value as Json;

use crate::spec::Baseline;

use super::{Cell, JobId};

/// The positions of the cells that are compared with their untrained models, which are therefore
/// evaluated as well.
pub(super) fn wanted(baseline: Option<&Baseline>, cells: &[Cell]) -> Vec<usize> {
    let is_untrained = matches!(baseline, Some(Baseline::Untrained));
    let positions = 0..cells.len();
    positions
        .filter(|index| is_untrained && cells[*index].train.is_some())
        .collect()
}

/// Connects cells with their baselines; for the untrained model, adds the cells that the grid lacks.
pub(super) fn connect(baseline: Option<&Baseline>, cells: &mut Vec<Cell>) {
    match baseline {
        None => {}
        Some(Baseline::Untrained) => untrained(cells),
        Some(Baseline::Values(values)) => with_values(cells, values),
    }
}

fn untrained(cells: &mut Vec<Cell>) {
    let mut added: Vec<Cell> = Vec::new();
    for cell in cells.iter_mut() {
        cell.is_baseline = cell.train.is_none();
    }
    for cell in cells.iter() {
        let is_there = |other: &Cell| other.train.is_none() && other.evals == cell.baseline;
        let is_needed = cell.train.is_some() && !cells.iter().chain(&added).any(is_there);
        if is_needed {
            added.push(Cell {
                point: untrained_point(&cell.point),
                method: "untrained".to_owned(),
                reward: None,
                train: None,
                evals: cell.baseline.clone(),
                baseline: BTreeMap::new(),
                is_baseline: true,
                ..cell.clone()
            });
        }
    }
    cells.splice(0..0, added);
}

/// The axes of a point that an untrained model has.
fn untrained_point(point: &BTreeMap<String, Json>) -> BTreeMap<String, Json> {
    let trains = [
        "train.",
        "reward.",
        "data.train",
        "data.notes",
        "data.prompts.migration",
        "model.adapter",
    ];
    let is_known = |axis: &str| !trains.iter().any(|prefix| axis.starts_with(prefix));
    point
        .iter()
        .filter(|(axis, _)| is_known(axis))
        .map(|(axis, value)| (axis.clone(), value.clone()))
        .collect()
}

fn with_values(cells: &mut [Cell], values: &BTreeMap<String, Json>) {
    type Key = (Vec<(String, Json)>, u64);
    let others = |cell: &Cell| -> Key {
        let point = cell
            .point
            .iter()
            .filter(|(axis, _)| !values.contains_key(*axis));
        (
            point
                .map(|(axis, value)| (axis.clone(), value.clone()))
                .collect(),
            cell.seed,
        )
    };
    let is_baseline = |cell: &Cell| {
        values
            .iter()
            .all(|(axis, value)| cell.point.get(axis) == Some(value))
    };
    let baselines: Vec<(Key, BTreeMap<String, JobId>)> = cells
        .iter()
        .filter(|cell| is_baseline(cell))
        .map(|cell| (others(cell), cell.evals.clone()))
        .collect();
    for cell in cells.iter_mut() {
        cell.is_baseline = is_baseline(cell);
        let mine = others(cell);
        if let Some((_, evals)) = baselines.iter().find(|(key, _)| *key == mine)
            && !cell.is_baseline
        {
            cell.baseline.clone_from(evals);
        }
    }
}
