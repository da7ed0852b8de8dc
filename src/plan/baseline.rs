//! What each cell is compared with, and the evaluations that this takes.

use std::collections::BTreeMap;

use serde_json::Value as Json;

use crate::spec::{Baseline, Experiment, Settings};

use super::{Cell, JobId, Plan, PlanError, Start, build::Builder};

/// Fills `Cell::baseline`; for the untrained model, adds the cells that the grid lacks.
pub(super) fn add(
    plan: &mut Plan,
    experiment: &Experiment,
    builder: &mut Builder<'_>,
) -> Result<(), PlanError> {
    match &experiment.table.baseline {
        None => Ok(()),
        Some(Baseline::Untrained) => untrained(plan, experiment, builder),
        Some(Baseline::Values(values)) => {
            with_values(plan, values);
            Ok(())
        }
    }
}

fn untrained(
    plan: &mut Plan,
    experiment: &Experiment,
    builder: &mut Builder<'_>,
) -> Result<(), PlanError> {
    let mut added: Vec<Cell> = Vec::new();
    let settings: Vec<&Settings> = experiment
        .points
        .iter()
        .flat_map(|point| point.settings.run.seeds.iter().map(|_| &point.settings))
        .collect();
    for (cell, settings) in plan.cells.iter_mut().zip(&settings) {
        if cell.train.is_none() {
            cell.is_baseline = true;
            continue;
        }
        cell.baseline = builder.evals(settings, &Start::Base, cell.seed)?;
    }
    for cell in &plan.cells {
        let is_there = |other: &Cell| other.train.is_none() && other.evals == cell.baseline;
        let is_needed = cell.train.is_some() && !plan.cells.iter().chain(&added).any(is_there);
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
    plan.cells.splice(0..0, added);
    Ok(())
}

/// The axes of a point that an untrained model knows of.
fn untrained_point(point: &BTreeMap<String, Json>) -> BTreeMap<String, Json> {
    let trains = [
        "train.",
        "reward.",
        "data.train",
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

fn with_values(plan: &mut Plan, values: &BTreeMap<String, Json>) {
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
    let baselines: Vec<(Key, BTreeMap<String, JobId>)> = plan
        .cells
        .iter()
        .filter(|cell| is_baseline(cell))
        .map(|cell| (others(cell), cell.evals.clone()))
        .collect();
    for cell in &mut plan.cells {
        cell.is_baseline = is_baseline(cell);
        let mine = others(cell);
        if let Some((_, evals)) = baselines.iter().find(|(key, _)| *key == mine)
            && !cell.is_baseline
        {
            cell.baseline.clone_from(evals);
        }
    }
}
