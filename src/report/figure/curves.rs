//! What trainings logged at each step, seeds together.

use std::collections::BTreeMap;

use serde_json::Value as Json;

use crate::{
    disk::JsonLines,
    plan::Plan,
    report::{ReportError, gather::labels},
    results::Store,
};

/// What a curve is of.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Quantity {
    /// Of the figure's file, without its ending.
    pub(super) file: &'static str,
    /// What the figure shows, as its title.
    pub(super) title: &'static str,
    /// Where it was logged.
    pub(super) log: Log,
    /// The place in a line of that log, as a JSON pointer.
    pub(super) pointer: &'static str,
    /// The share of the past in the moving average; 0 shows the values as they are.
    pub(super) smoothing: f64,
}

/// A log of a training.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Log {
    /// `metrics.jsonl`.
    Metrics,
    /// `evaluations.jsonl`.
    Evaluations,
}

/// The curves of the paper's Figures 2 and 5.
pub(super) const QUANTITIES: [Quantity; 4] = [
    Quantity {
        file: "reward",
        title: "training reward (moving average, 0.9)",
        log: Log::Metrics,
        pointer: "/rollout/reward/total",
        smoothing: 0.9,
    },
    Quantity {
        file: "zero_spread",
        title: "share of groups whose rewards are all equal (moving average, 0.9)",
        log: Log::Metrics,
        pointer: "/rollout/zero_spread_share",
        smoothing: 0.9,
    },
    Quantity {
        file: "length",
        title: "tokens a completion (moving average, 0.9)",
        log: Log::Metrics,
        pointer: "/rollout/completion_tokens",
        smoothing: 0.9,
    },
    Quantity {
        file: "pass_at_1",
        title: "pass@1 while training",
        log: Log::Evaluations,
        pointer: "/pass@1",
        smoothing: 0.0,
    },
];

/// A row of the table, step by step.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Curve {
    pub(super) label: String,
    pub(super) points: Vec<Point>,
}

/// The seeds of a row at a step.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Point {
    pub(super) step: f64,
    pub(super) mean: f64,
    pub(super) lowest: f64,
    pub(super) highest: f64,
}

/// A row of the table, with what each seed's training logged.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Logs {
    pub(super) label: String,
    pub(super) metrics: BTreeMap<u64, Vec<Json>>,
    pub(super) evaluations: BTreeMap<u64, Vec<Json>>,
}

/// What the finished trainings of each row logged, in the order of the table.
pub(super) fn logs(plan: &Plan, store: &Store) -> Result<Vec<Logs>, ReportError> {
    let mut rows: Vec<Logs> = Vec::new();
    for cell in &plan.cells {
        let dir = cell.train.as_ref().map(|id| store.job_dir(id));
        let Some(dir) = dir.filter(|dir| dir.outcome().is_some()) else {
            continue;
        };
        let label = labels(cell, &plan.table.rows).join(" ");
        let metrics = (cell.seed, JsonLines::read(&dir.metrics())?);
        let evaluations = (cell.seed, JsonLines::read(&dir.evaluations())?);
        match rows.iter_mut().find(|row| row.label == label) {
            Some(row) => {
                row.metrics.extend([metrics]);
                row.evaluations.extend([evaluations]);
            }
            None => rows.push(Logs {
                label,
                metrics: [metrics].into(),
                evaluations: [evaluations].into(),
            }),
        }
    }
    Ok(rows)
}

/// The curve of one quantity over the logs of several seeds; none where it was not logged.
pub(super) fn curve(logs: &Logs, quantity: Quantity) -> Option<Curve> {
    let seeds = match quantity.log {
        Log::Metrics => &logs.metrics,
        Log::Evaluations => &logs.evaluations,
    };
    let seeds = seeds.values().map(|log| smoothed(log, quantity));
    let seeds: Vec<BTreeMap<u64, f64>> = seeds.collect();
    let (first, others) = seeds.split_first()?;
    let points: Vec<Point> = first
        .keys()
        .filter_map(|step| {
            let values = std::iter::once(first)
                .chain(others)
                .map(|seed| seed.get(step).copied());
            let values: Vec<f64> = values.collect::<Option<_>>()?;
            Some(Point {
                step: *step as f64,
                mean: values.iter().sum::<f64>() / values.len() as f64,
                lowest: values.iter().copied().fold(f64::INFINITY, f64::min),
                highest: values.iter().copied().fold(f64::NEG_INFINITY, f64::max),
            })
        })
        .collect();
    (!points.is_empty()).then(|| Curve {
        label: logs.label.clone(),
        points,
    })
}

/// Exponential moving averages by step; the first value starts them.
fn smoothed(log: &[Json], quantity: Quantity) -> BTreeMap<u64, f64> {
    let mut average = None;
    log.iter()
        .filter_map(|line| {
            let step = line["step"].as_u64()?;
            let value = line.pointer(quantity.pointer)?.as_f64()?;
            let past = average.unwrap_or(value);
            let moved = quantity.smoothing * past + (1.0 - quantity.smoothing) * value;
            average = Some(moved);
            Some((step, moved))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const REWARD: Quantity = Quantity {
        smoothing: 0.5,
        ..QUANTITIES[0]
    };

    fn log(rewards: &[f64]) -> Vec<Json> {
        let lines = rewards.iter().zip(1..);
        lines
            .map(|(reward, step)| json!({"step": step, "rollout": {"reward": {"total": reward}}}))
            .collect()
    }

    fn row<const N: usize>(seeds: [Vec<Json>; N]) -> Logs {
        Logs {
            label: "a row".to_owned(),
            metrics: (1..).zip(seeds).collect(),
            evaluations: BTreeMap::new(),
        }
    }

    #[test]
    fn the_rate_of_evaluations_has_a_curve_of_its_own() {
        // By hand: 0.25, 0.5 and 0.75, 0.5 at steps 50 and 100; no moving average.
        let log = |rates: [f64; 2]| -> Vec<Json> {
            let lines = [50, 100].into_iter().zip(rates);
            lines
                .map(|(step, rate)| json!({"step": step, "pass@1": rate}))
                .collect()
        };
        let logs = Logs {
            evaluations: [(1, log([0.25, 0.5])), (2, log([0.75, 0.5]))].into(),
            ..row([])
        };
        let quantity = QUANTITIES[3];

        let found = curve(&logs, quantity).unwrap();

        let points = found.points.iter();
        let points: Vec<_> = points
            .map(|point| [point.step, point.mean, point.lowest, point.highest])
            .collect();
        assert_eq!(points, [[50.0, 0.5, 0.25, 0.75], [100.0, 0.5, 0.5, 0.5]]);
        assert_eq!(quantity.file, "pass_at_1");
        assert_eq!(curve(&row([]), quantity), None);
    }

    #[test]
    fn a_curve_is_the_mean_of_smoothed_seeds_with_their_range() {
        // By hand, with half of the past: 0, 2 -> 0, 1 and 2, 4 -> 2, 3; the third step has one seed.
        let seeds = [log(&[0.0, 2.0, 9.0]), log(&[2.0, 4.0])];

        let found = curve(&row(seeds), REWARD).unwrap();

        let point = |step: f64, mean: f64, lowest: f64, highest: f64| Point {
            step,
            mean,
            lowest,
            highest,
        };
        assert_eq!(
            found.points,
            [point(1.0, 1.0, 0.0, 2.0), point(2.0, 2.0, 1.0, 3.0)]
        );
    }

    #[test]
    fn what_was_not_logged_has_no_curve() {
        let sft = vec![json!({"step": 1, "loss": 0.5, "rollout": null})];

        assert_eq!(curve(&row([sft]), REWARD), None);
        assert_eq!(curve(&row([]), REWARD), None);
    }
}
