//! What the figure of distances shows, from the rows of a table.

use crate::report::table::{Change, Row, Table};

/// What the horizontal axis measures.
pub(in crate::report) const AXIS: &str = "mean log-probability of a target's token (nats)";

/// How to read the figure.
pub(in crate::report) const ABOUT: &str =
    "under the model that a training starts from; further left: further from the model";

/// With fewer different distances than this there is no curve to see.
const FEWEST: usize = 3;

/// The axis of training data.
const DATA_AXIS: &str = "data.train";

/// The changes of a table's measures against the distance of the targets.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::report) struct Distances {
    /// The ways of training, by the labels on all axes but that of the data.
    pub(in crate::report) methods: Vec<String>,
    pub(in crate::report) panels: Vec<Panel>,
    /// The data at each distance, the furthest first; empty if no axis has them.
    pub(in crate::report) data: Vec<(f64, String)>,
}

/// A column of the table.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::report) struct Panel {
    /// As `mini_arena pass@1`.
    pub(in crate::report) heading: String,
    /// The points of each method, from left to right.
    pub(in crate::report) lines: Vec<Vec<Measured>>,
}

/// A row of the table in a column.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(in crate::report) struct Measured {
    /// The mean log-probability of a token of the targets, in nats.
    pub(in crate::report) log_prob: f64,
    /// The change against the baseline, in points.
    pub(in crate::report) change: f64,
    /// The ends of its 95 % interval, where there is one.
    pub(in crate::report) interval: Option<[f64; 2]>,
}

impl Measured {
    fn new(log_prob: f64, change: &Change) -> Self {
        let points = |share: f64| 100.0 * share;
        let symmetric = |half: f64| [change.mean - half, change.mean + half];
        let ends = change.interval.or(change.half_width.map(symmetric));
        Self {
            log_prob,
            change: points(change.mean),
            interval: ends.map(|ends| ends.map(points)),
        }
    }

    /// The lowest and the highest value that are drawn.
    pub(in crate::report) fn ends(&self) -> [f64; 2] {
        self.interval.unwrap_or([self.change; 2])
    }
}

impl Distances {
    /// What a table shows, if its changes are of trainings with at least three different distances.
    pub(in crate::report) fn of(table: &Table) -> Option<Self> {
        let data_axis = table.axes.iter().position(|axis| axis == DATA_AXIS);
        let mut methods: Vec<String> = Vec::new();
        let mut data: Vec<(f64, String)> = Vec::new();
        let mut different: Vec<f64> = Vec::new();
        let mut panels: Vec<Panel> = table
            .columns
            .iter()
            .map(|column| Panel {
                heading: format!("{} {}", column.benchmark, column.metric),
                lines: Vec::new(),
            })
            .collect();
        for row in &table.rows {
            let Some(log_prob) = row.target_log_prob else {
                continue;
            };
            if row.cells.iter().all(|cell| cell.change.is_none()) {
                continue;
            }
            insert(&mut different, log_prob);
            if let Some(name) = data_axis.and_then(|axis| row.labels.get(axis)) {
                insert(&mut data, (log_prob, name.clone()));
            }
            let method = method(row, data_axis, &table.experiment);
            let place = place(&mut methods, method);
            for (panel, cell) in panels.iter_mut().zip(&row.cells) {
                panel.lines.resize(methods.len(), Vec::new());
                let measured = cell.change.map(|change| Measured::new(log_prob, &change));
                panel.lines[place].extend(measured);
            }
        }
        if different.len() < FEWEST {
            return None;
        }
        panels.retain(|panel| panel.lines.iter().any(|line| !line.is_empty()));
        for panel in &mut panels {
            panel.lines.resize(methods.len(), Vec::new());
            for line in &mut panel.lines {
                line.sort_by(|one, other| one.log_prob.total_cmp(&other.log_prob));
            }
        }
        data.sort_by(|one, other| one.0.total_cmp(&other.0));
        Some(Self {
            methods,
            panels,
            data,
        })
    }

    /// The lowest and the highest distance.
    pub(in crate::report) fn range(&self) -> [f64; 2] {
        let points = self.panels.iter().flat_map(|panel| &panel.lines).flatten();
        points.fold([f64::INFINITY, f64::NEG_INFINITY], |[low, high], point| {
            [low.min(point.log_prob), high.max(point.log_prob)]
        })
    }
}

/// The labels of a row on all axes but that of the data.
fn method(row: &Row, data_axis: Option<usize>, experiment: &str) -> String {
    let labels = row.labels.iter().enumerate();
    let own = labels.filter(|(axis, label)| Some(*axis) != data_axis && !label.is_empty());
    let own: Vec<&str> = own.map(|(_, label)| label.as_str()).collect();
    if own.is_empty() {
        return experiment.to_owned();
    }
    own.join(" ")
}

/// The place of a method among those seen.
fn place(methods: &mut Vec<String>, method: String) -> usize {
    let known = methods.iter().position(|known| *known == method);
    known.unwrap_or_else(|| {
        methods.push(method);
        methods.len() - 1
    })
}

fn insert<T: PartialEq>(all: &mut Vec<T>, one: T) {
    if !all.contains(&one) {
        all.push(one);
    }
}

#[cfg(test)]
pub(in crate::report) mod tests {
    use super::*;
    use crate::{
        report::table::{Cell, Heading},
        spec::Show,
    };

    /// A change with an interval of 0.05 to each side.
    fn cell(mean: f64) -> Cell {
        Cell {
            change: Some(Change {
                mean,
                standard_error: None,
                half_width: Some(0.05),
                interval: None,
                p_value: None,
                corrected_p_value: None,
                is_distinguishable: false,
                are_alike: false,
            }),
            ..Cell::default()
        }
    }

    fn row(labels: [&str; 3], log_prob: Option<f64>, changes: [f64; 2]) -> Row {
        Row {
            labels: labels.map(str::to_owned).to_vec(),
            is_baseline: false,
            target_log_prob: log_prob,
            cells: changes.map(cell).to_vec(),
        }
    }

    /// Two ways of training on three styles of targets, with an untrained row.
    pub(in crate::report) fn table() -> Table {
        let heading = |benchmark: &str| Heading {
            benchmark: benchmark.to_owned(),
            metric: "pass@1".to_owned(),
        };
        Table {
            experiment: "x".to_owned(),
            description: String::new(),
            axes: ["data.train", "train.algorithm", "train.reward"]
                .map(str::to_owned)
                .to_vec(),
            columns: vec![heading("arena"), heading("general")],
            show: Show::Value,
            baseline: None,
            reference: None,
            rows: vec![
                Row {
                    cells: vec![Cell::default(), Cell::default()],
                    ..row(["", "untrained", ""], None, [0.0; 2])
                },
                row(["own", "sft", ""], Some(-0.25), [0.4, 0.0]),
                row(["own", "grpo", "es_star"], Some(-0.25), [0.3, 0.0]),
                row(["far", "sft", ""], Some(-1.25), [0.1, -0.5]),
                row(["far", "grpo", "es_star"], Some(-1.25), [0.3, 0.0]),
                row(["mid", "sft", ""], Some(-0.75), [0.2, -0.1]),
            ],
            breakdowns: Vec::new(),
            pairs: Vec::new(),
            notes: Vec::new(),
            made_by: None,
        }
    }

    /// By hand, from the rows above.
    #[test]
    fn rows_become_lines_by_method_from_the_furthest_to_the_nearest_targets() {
        let found = Distances::of(&table()).unwrap();

        assert_eq!(found.methods, ["sft", "grpo es_star"]);
        let data = [(-1.25, "far"), (-0.75, "mid"), (-0.25, "own")];
        assert_eq!(found.data, data.map(|(x, name)| (x, name.to_owned())));
        let headings: Vec<&str> = found.panels.iter().map(|one| &*one.heading).collect();
        assert_eq!(headings, ["arena pass@1", "general pass@1"]);
        let points = |panel: usize, line: usize| -> Vec<[f64; 2]> {
            let points = found.panels[panel].lines[line].iter();
            points.map(|point| [point.log_prob, point.change]).collect()
        };
        assert_eq!(points(0, 0), [[-1.25, 10.0], [-0.75, 20.0], [-0.25, 40.0]]);
        assert_eq!(points(0, 1), [[-1.25, 30.0], [-0.25, 30.0]]);
        assert_eq!(points(1, 0), [[-1.25, -50.0], [-0.75, -10.0], [-0.25, 0.0]]);
        let [low, high] = found.panels[0].lines[0][0].interval.unwrap();
        // 1e-12: percent of numbers below 1.
        assert!((low - 5.0).abs() < 1e-12 && (high - 15.0).abs() < 1e-12);
        let [first, last] = found.range();
        assert!((first + 1.25).abs() < 1e-12 && (last + 0.25).abs() < 1e-12);
    }

    #[test]
    fn two_distances_and_rows_without_a_change_are_no_figure() {
        let mut two = table();
        two.rows.pop();
        assert_eq!(Distances::of(&two), None);
        let mut without = table();
        without.rows[5].cells = vec![Cell::default(), Cell::default()];
        assert_eq!(Distances::of(&without), None);
        let mut unmeasured = table();
        unmeasured.rows[5].target_log_prob = None;
        assert_eq!(Distances::of(&unmeasured), None);
    }

    #[test]
    fn rows_that_differ_in_the_data_only_are_one_line_of_the_experiment() {
        let mut table = table();
        table.axes.truncate(1);
        table.rows.retain(|row| row.labels[1] == "sft");
        table.rows.iter_mut().for_each(|row| row.labels.truncate(1));

        let found = Distances::of(&table).unwrap();

        assert_eq!(found.methods, ["x"]);
        assert_eq!(found.panels[0].lines[0].len(), 3);
    }
}
