//! What changes nothing: settings that no job reads, axes whose values are the same jobs, a baseline that
//! nothing is compared with.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use serde_json::Value as Json;

use super::{
    Cell, Input, Inputs, JobId, Plan, PlanError, build::jobs_of_point, identity::CHANGES_NO_RESULT,
};
use crate::{
    digest::Digest,
    spec::{Comparison, Experiment, Finding, Settings},
};

impl Plan {
    /// What the spec says in vain.
    pub fn findings(&self, experiment: &Experiment) -> Vec<Finding> {
        let mut findings: Vec<Finding> = same_jobs(&self.cells, &self.axes);
        let mut compared = self.cells.iter().filter(|cell| !cell.baseline.is_empty());
        if self.table.baseline.is_some() && compared.next().is_none() {
            findings.push(Finding::NoComparison);
        }
        for setting in experiment.written_settings() {
            let path = setting.path();
            let is_read = experiment
                .comparisons(&setting)
                .any(|point| is_read(path, &point));
            if !is_read {
                findings.push(Finding::Unread(setting));
            }
        }
        findings
    }
}

/// Whether the jobs of a point depend on a setting, or how they run does.
fn is_read(path: &str, point: &Comparison) -> bool {
    if point.is_inert {
        return false;
    }
    let name = path.rsplit('.').next().unwrap_or_default();
    let how = CHANGES_NO_RESULT.contains(&name);
    let is = jobs(&point.is);
    point.others.iter().any(|other| match other {
        Some(other) if how => *other != point.is,
        Some(other) => jobs(other) != is,
        // A value that this point cannot have is read.
        None => true,
    }) || point.others.is_empty()
}

/// The jobs of a point and of its untrained model, where a file is known by its name alone.
fn jobs(settings: &Settings) -> Option<Vec<JobId>> {
    jobs_of_point(settings, &ByName).ok()
}

/// Inputs whose digest is that of their name: nothing is read.
struct ByName;

impl ByName {
    fn input(name: &str) -> Input {
        Input {
            path: name.into(),
            digest: Digest::of_bytes(name.as_bytes()),
            content: None,
            missing: None,
        }
    }
}

impl Inputs for ByName {
    fn model(&self, base: &str) -> Result<Input, PlanError> {
        Ok(Self::input(base))
    }

    fn data(&self, name: &str) -> Result<Input, PlanError> {
        Ok(Self::input(name))
    }

    fn file(&self, path: &Path) -> Result<Input, PlanError> {
        Ok(Self::input(&path.to_string_lossy()))
    }

    fn reference(&self, name: &str) -> Result<Input, PlanError> {
        Ok(Self::input(name))
    }
}

/// The axes in which cells differ that are the same jobs.
fn same_jobs(cells: &[Cell], axes: &[String]) -> Vec<Finding> {
    let cells: Vec<&Cell> = cells
        .iter()
        .filter(|cell| axes.iter().all(|axis| cell.point.contains_key(axis)))
        .collect();
    let mut same: BTreeMap<_, Vec<&Cell>> = BTreeMap::new();
    for cell in &cells {
        same.entry((cell.seed, &cell.train, &cell.evals))
            .or_default()
            .push(cell);
    }
    let mut differing: BTreeSet<Vec<String>> = BTreeSet::new();
    for group in same.values() {
        for (cell, next) in group.iter().zip(group.iter().skip(1)) {
            let differs = |axis: &&String| cell.point.get(*axis) != next.point.get(*axis);
            differing.insert(axes.iter().filter(differs).cloned().collect());
        }
    }
    // Where two axes make no difference, one that does not is reported by itself.
    let single: Vec<Vec<String>> = differing
        .iter()
        .filter(|axes| axes.len() == 1)
        .cloned()
        .collect();
    let is_new =
        |axes: &Vec<String>| axes.len() == 1 || !single.iter().any(|one| axes.contains(&one[0]));
    differing
        .iter()
        .filter(|axes| is_new(axes))
        .filter_map(|vain| finding(&cells, axes, vain))
        .collect()
}

/// What the axes `vain` change: nothing at all, or nothing where another axis has some values.
fn finding(cells: &[&Cell], axes: &[String], vain: &[String]) -> Option<Finding> {
    let others = |cell: &Cell| -> Vec<(String, String)> {
        let others = cell.point.iter().filter(|(axis, _)| !vain.contains(axis));
        others
            .map(|(axis, value)| (axis.clone(), value.to_string()))
            .collect()
    };
    let mut groups: BTreeMap<_, Vec<&Cell>> = BTreeMap::new();
    for cell in cells {
        groups
            .entry((cell.seed, others(cell)))
            .or_default()
            .push(cell);
    }
    groups.retain(|_, group| group.len() > 1);
    let is_same = |group: &Vec<&Cell>| {
        let jobs = |cell: &&Cell| (cell.train.clone(), cell.evals.clone());
        let all: BTreeSet<_> = group.iter().map(jobs).collect();
        all.len() < group.len()
    };
    let (same, different): (Vec<_>, Vec<_>) = groups.into_values().partition(is_same);
    if same.is_empty() {
        return None;
    }
    let only_where = if different.is_empty() {
        None
    } else {
        let values = |groups: &[Vec<&Cell>], axis: &String| -> Vec<Json> {
            let mut values: Vec<Json> = Vec::new();
            for value in groups.iter().filter_map(|group| group[0].point.get(axis)) {
                if !values.contains(value) {
                    values.push(value.clone());
                }
            }
            values
        };
        let divides = |axis: &&String| {
            let there = values(&different, axis);
            !vain.contains(axis)
                && values(&same, axis)
                    .iter()
                    .all(|value| !there.contains(value))
        };
        let axis = axes.iter().find(divides);
        let axis = axis.or_else(|| axes.iter().find(|axis| !vain.contains(axis)))?;
        Some((axis.clone(), values(&same, axis)))
    };
    Some(Finding::SameJobs {
        axes: vain.to_vec(),
        only_where,
    })
}
