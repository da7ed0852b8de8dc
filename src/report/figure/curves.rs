//! What trainings logged at each step, seeds together.

use std::collections::BTreeMap;

use serde_json::Value as Json;

use crate::{
    disk::JsonLines,
    plan::Plan,
    report::{ReportError, gather::labels},
    results::Store,
};

use super::{
    quantity::{Log, Quantity, Trainings},
    start::before_training,
};

/// A row of the table, step by step.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::report) struct Curve {
    pub(in crate::report) label: String,
    /// Among all rows with a training: it has the same style in every figure.
    pub(in crate::report) place: usize,
    /// How many trainings it is the mean of.
    pub(in crate::report) seeds: usize,
    pub(in crate::report) points: Vec<Point>,
}

/// The seeds of a row at a step.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(in crate::report) struct Point {
    pub(in crate::report) step: f64,
    pub(in crate::report) mean: f64,
    pub(in crate::report) lowest: f64,
    pub(in crate::report) highest: f64,
}

/// A row of the table, with what each seed's training logged.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::report) struct Logs {
    pub(in crate::report) label: String,
    /// Among all rows with a training.
    pub(in crate::report) place: usize,
    pub(in crate::report) metrics: BTreeMap<u64, Vec<Json>>,
    pub(in crate::report) evaluations: BTreeMap<u64, Vec<Json>>,
}

/// What the finished trainings of each row logged, in the order of the table.
pub(in crate::report) fn logs(plan: &Plan, store: &Store) -> Result<Vec<Logs>, ReportError> {
    let mut rows: Vec<Logs> = Vec::new();
    for cell in &plan.cells {
        let dir = cell.train.as_ref().map(|id| store.job_dir(id));
        let Some(dir) = dir.filter(|dir| dir.outcome().is_some()) else {
            continue;
        };
        let label = labels(cell, &plan.table.rows).join(" ");
        let metrics = (cell.seed, JsonLines::read(&dir.metrics())?);
        let mut evaluations: Vec<Json> = JsonLines::read(&dir.evaluations())?;
        if let Some(job) = plan.job(&dir.id()).filter(|_| !evaluations.is_empty()) {
            evaluations.splice(0..0, before_training(plan, store, job));
        }
        let evaluations = (cell.seed, evaluations);
        match rows.iter_mut().find(|row| row.label == label) {
            Some(row) => {
                row.metrics.extend([metrics]);
                row.evaluations.extend([evaluations]);
            }
            None => rows.push(Logs {
                label,
                place: rows.len(),
                metrics: [metrics].into(),
                evaluations: [evaluations].into(),
            }),
        }
    }
    Ok(rows)
}

impl Curve {
    /// Whether it begins before the first step.
    pub(in crate::report) fn has_start(&self) -> bool {
        self.points.first().is_some_and(|point| point.step == 0.0)
    }
}

impl Logs {
    /// Whether the trainings sample completions and learn from rewards.
    fn have_rewards(&self) -> bool {
        let mut lines = self.metrics.values().flatten();
        lines.any(|line| line["rollout"].is_object())
    }
}

/// The curve of one quantity over the logs of several seeds; none where it was not logged.
pub(in crate::report) fn curve(logs: &Logs, quantity: Quantity) -> Option<Curve> {
    let is_meant = match quantity.of {
        Trainings::All => true,
        Trainings::WithReward => logs.have_rewards(),
        Trainings::Supervised => !logs.have_rewards(),
    };
    if !is_meant {
        return None;
    }
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
        place: logs.place,
        seeds: seeds.len(),
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
    use crate::report::figure::quantity::quantity;

    fn reward() -> Quantity {
        Quantity {
            smoothing: 0.5,
            ..quantity("reward")
        }
    }

    fn log(rewards: &[f64]) -> Vec<Json> {
        let lines = rewards.iter().zip(1..);
        lines
            .map(|(reward, step)| json!({"step": step, "rollout": {"reward": {"total": reward}}}))
            .collect()
    }

    fn row<const N: usize>(seeds: [Vec<Json>; N]) -> Logs {
        Logs {
            label: "a row".to_owned(),
            place: 0,
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
        let quantity = quantity("pass_at_1");

        let found = curve(&logs, quantity).unwrap();

        let points = found.points.iter();
        let points: Vec<_> = points
            .map(|point| [point.step, point.mean, point.lowest, point.highest])
            .collect();
        assert_eq!(points, [[50.0, 0.5, 0.25, 0.75], [100.0, 0.5, 0.5, 0.5]]);
        assert_eq!(curve(&row([]), quantity), None);
    }

    #[test]
    fn a_curve_is_the_mean_of_smoothed_seeds_with_their_range() {
        // By hand, with half of the past: 0, 2 -> 0, 1 and 2, 4 -> 2, 3; the third step has one seed.
        let seeds = [log(&[0.0, 2.0, 9.0]), log(&[2.0, 4.0])];

        let found = curve(&row(seeds), reward()).unwrap();

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

        assert_eq!(curve(&row([sft]), reward()), None);
        assert_eq!(curve(&row([]), reward()), None);
    }

    #[test]
    fn a_loss_is_compared_with_losses_of_its_kind_only() {
        let sft = row([vec![json!({"step": 1, "loss": 0.5, "gradient_norm": 2.0})]]);
        let line = json!({"step": 1, "loss": 0.1, "gradient_norm": 3.0, "rollout": {"kl": 0.0}});
        let grpo = row([vec![line]]);

        let has = |row: &Logs, file: &str| curve(row, quantity(file)).is_some();
        assert_eq!([has(&sft, "loss"), has(&grpo, "loss")], [false, true]);
        assert_eq!(
            [has(&sft, "loss_sft"), has(&grpo, "loss_sft")],
            [true, false]
        );
        assert!(has(&sft, "gradient_norm") && has(&grpo, "gradient_norm"));
    }
}
