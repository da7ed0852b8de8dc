//! Reads and checks the section `[table]`.

use std::collections::{BTreeMap, BTreeSet};

use super::settings::{Baseline, Column, Show, TableSettings};
use crate::{
    settings::{one_of, spelled},
    spec::{
        benchmark,
        code::Code,
        grid::{assignments::axis_mark, points::Grid},
        problem::Problem,
        read::{
            layered::{Layered, Setting},
            node::Node,
        },
        schema,
        settings::Point,
        suggest::nearest,
    },
};

/// Reads and checks `[table]`.
pub(in crate::spec) struct Reader<'a> {
    pub(in crate::spec) layered: &'a Layered,
    pub(in crate::spec) grid: &'a Grid,
    pub(in crate::spec) points: &'a [Point],
    /// The known reference tables, if there is a list of them.
    pub(in crate::spec) references: Option<&'a [String]>,
    /// Paths that somebody tried to set; see `Report::meant`.
    pub(in crate::spec) meant: &'a BTreeSet<String>,
    /// Paths of keys whose value was rejected; see `Report::rejected`.
    pub(in crate::spec) rejected: &'a BTreeSet<String>,
    pub(in crate::spec) problems: &'a mut Vec<Problem>,
    pub(in crate::spec) warnings: &'a mut Vec<Problem>,
}

impl Reader<'_> {
    /// The table's settings, with what can be used of them.
    pub(in crate::spec) fn read(mut self) -> TableSettings {
        let rows = self.rows();
        let cols = self.columns();
        let baseline = self.baseline();
        let show = self.show(baseline.as_ref());
        let reference = self.reference();
        TableSettings {
            rows,
            cols,
            show,
            baseline,
            reference,
        }
    }

    fn rows(&mut self) -> Vec<String> {
        let axes = self.grid.paths();
        let Some(setting) = self.layered.get("table.rows") else {
            return axes;
        };
        let items = list_or_one(setting);
        let mut rows: Vec<String> = Vec::new();
        for item in &items {
            let Some(name) = item.as_text() else { continue };
            if axes.iter().any(|axis| axis == name) {
                rows.push(name.to_owned());
            } else if !self.meant.contains(&axis_mark(name)) {
                self.problems.push(unknown_row(name, item, &axes));
            }
        }
        let is_whole = rows.len() == items.len();
        for axis in self.grid.axes() {
            let is_mixed = axis.node.items().len() > 1 && axis.key != "run.seeds";
            if is_whole && is_mixed && !rows.contains(&axis.key) {
                let title = format!("the axis `{}` is in no row of the table", axis.key);
                let label = "a row would mix its values";
                let problem = Problem::new(Code::E130, setting.place(), title, label);
                let mut all: Vec<String> = rows.iter().map(|row| format!("\"{row}\"")).collect();
                all.push(format!("\"{}\"", axis.key));
                let text = format!("[{}]", all.join(", "));
                self.problems
                    .push(problem.replace(setting.place(), text, "add it to the rows"));
            }
        }
        rows
    }

    fn columns(&mut self) -> Vec<Column> {
        let Some(setting) = self.layered.get("table.cols") else {
            return self.all_columns();
        };
        let items = setting.entry.node.items().to_vec();
        let columns: Vec<Column> = items.iter().filter_map(|item| self.column(item)).collect();
        if columns.len() == items.len() {
            self.benchmarks_without_column(setting, &columns);
        }
        columns
    }

    /// Warns of benchmarks that cost evaluations, and that the table does not show.
    fn benchmarks_without_column(&mut self, columns_setting: Setting<'_>, columns: &[Column]) {
        let Some(setting) = self.layered.get("eval.benchmarks") else {
            return;
        };
        for name in benchmark::names() {
            let is_shown = columns.iter().any(|column| column.benchmark == name);
            if is_shown || self.samples(name).is_none() {
                continue;
            }
            let mut items = setting.entry.node.items().iter();
            let item = items.find(|item| item.as_text() == Some(name));
            let place = item.map_or_else(|| setting.place(), |item| item.place);
            // Layer 0 has the defaults, which nobody is editing.
            let (place, other) = if setting.layer == 0 {
                (columns_setting.place(), place)
            } else {
                (place, columns_setting.place())
            };
            let title = format!("`{name}` is measured, but is in no column of the table");
            let label = "its evaluations would run for nothing";
            let problem = Problem::new(Code::W203, place, title, label);
            let other_label = if setting.layer == 0 {
                "it is measured by default"
            } else {
                "the columns"
            };
            let help = format!(
                "add \"{name}.pass@1\" to `table.cols`, or name in `eval.benchmarks` only what the table shows"
            );
            self.warnings
                .push(problem.also(other, other_label).help(help));
        }
    }

    /// pass@1 of every benchmark that some point is measured on.
    fn all_columns(&self) -> Vec<Column> {
        let names = benchmark::names().into_iter();
        let used = names.filter(|name| self.samples(name).is_some());
        used.flat_map(columns_of).collect()
    }

    fn column(&mut self, node: &Node) -> Option<Column> {
        let text = node.as_text()?;
        let title = format!("`{text}` is not a column");
        let problem = |label: &str| Problem::new(Code::E131, node.place, title.clone(), label);
        let Some((name, metric)) = text.split_once('.') else {
            let example = format!("\"{text}.pass@1\"");
            let problem = problem("expected `benchmark.metric`");
            self.problems.push(if benchmark::names().contains(&text) {
                problem.replace(
                    node.place,
                    example.clone(),
                    format!("for instance {example}"),
                )
            } else {
                problem.help("for instance \"code_update_arena.pass@1\"")
            });
            return None;
        };
        let names = benchmark::names();
        let Some(name) = spelled(name, names.iter().copied()) else {
            let label = format!("unknown benchmark `{name}`, expected {}", one_of(&names));
            self.problems.push(guess(
                problem(&label),
                node,
                name,
                &names,
                &format!(".{metric}"),
            ));
            return None;
        };
        let Some((measure, pass_at)) = measured(name, metric) else {
            let label = format!("unknown metric `{metric}`, expected `pass@k` with a number for k");
            let fixed = format!("\"{name}.pass@1\"");
            self.problems
                .push(problem(&label).replace(node.place, fixed, "for instance"));
            return None;
        };
        let Some(samples) = self.samples(name) else {
            if self.rejected.contains("eval.benchmarks") {
                return None;
            }
            let label = format!("no point of this experiment is measured on `{name}`");
            let help = format!("add \"{name}\" to `eval.benchmarks`, or remove the column");
            self.problems.push(problem(&label).help(help));
            return None;
        };
        if pass_at > samples {
            self.problems
                .push(self.too_few(node, name, pass_at, samples));
        }
        Some(Column {
            benchmark: name.to_owned(),
            measure,
            pass_at,
        })
    }

    fn too_few(&self, node: &Node, name: &str, pass_at: usize, samples: usize) -> Problem {
        let title = format!("pass@{pass_at} needs at least {pass_at} samples a task");
        let label = format!("`{name}` has {samples}");
        let problem = Problem::new(Code::E132, node.place, title, label);
        let problem = match self.layered.get(&format!("eval.samples.{name}")) {
            Some(setting) => problem.also(setting.place(), "the samples are set here"),
            None => problem,
        };
        problem.help(format!(
            "set `eval.samples.{name}` to {pass_at}, or ask for pass@{samples}"
        ))
    }

    /// The fewest samples that a point takes of a benchmark; nothing if none is measured on it.
    fn samples(&self, benchmark: &str) -> Option<usize> {
        let evals = self.points.iter().flat_map(|point| &point.settings.evals);
        evals
            .filter(|eval| eval.benchmark == benchmark)
            .map(|eval| eval.samples)
            .min()
    }

    fn baseline(&mut self) -> Option<Baseline> {
        let settings = self.layered.entries("table.baseline");
        let first = settings.first()?;
        if first.entry.key == "method" {
            return Some(Baseline::Untrained);
        }
        let axes = self.grid.paths();
        let mut values = BTreeMap::new();
        for setting in &settings {
            let Setting { entry, .. } = setting;
            if !axes.contains(&entry.key) {
                if self.meant.contains(&axis_mark(&entry.key)) {
                    continue;
                }
                let title = format!("the baseline names `{}`, which is not an axis", entry.key);
                let problem = Problem::new(Code::E133, entry.place, title, "not in [grid]");
                self.problems.push(problem.help(axes_in_words(&axes)));
                continue;
            }
            values.insert(entry.key.clone(), entry.node.to_json());
        }
        let matches = |point: &Point| {
            values
                .iter()
                .all(|(axis, value)| point.values.get(axis) == Some(value))
        };
        if values.len() == settings.len() && !self.points.iter().any(matches) {
            let title = "the baseline matches no point of the grid";
            let label = "no point has these values";
            let problem = Problem::new(Code::E133, first.place(), title, label);
            let help = "name values that the axes have, or write { method = \"untrained\" }";
            self.problems.push(problem.help(help));
        }
        Some(Baseline::Values(values))
    }

    fn show(&mut self, baseline: Option<&Baseline>) -> Show {
        let Some(setting) = self.layered.get("table.show") else {
            return Show::Value;
        };
        let show = if setting.entry.node.as_text() == Some("delta") {
            Show::Delta
        } else {
            Show::Value
        };
        if show == Show::Delta && baseline.is_none() && !self.meant.contains("table.baseline") {
            let title = "changes need something to compare with";
            let label = "there is no `table.baseline`";
            let problem = Problem::new(Code::E133, setting.place(), title, label);
            self.problems
                .push(problem.help("add to [table]: baseline = { method = \"untrained\" }"));
        }
        show
    }

    fn reference(&mut self) -> Option<String> {
        let setting = self.layered.get("table.reference")?;
        let text = setting.entry.node.as_text()?;
        if let Some(known) = self.references
            && !known.iter().any(|name| name == text)
        {
            let names: Vec<&str> = known.iter().map(String::as_str).collect();
            let title = format!("unknown reference `{text}`");
            let label = format!("expected {}", one_of(&names));
            let problem = Problem::new(Code::E134, setting.place(), title, label);
            self.problems
                .push(guess(problem, &setting.entry.node, text, &names, ""));
        }
        Some(text.to_owned())
    }
}

/// The measure and the `k` of a metric such as `pass@5` or `follows.pass@1`.
fn measured(benchmark: &str, metric: &str) -> Option<(Option<String>, usize)> {
    let measures = benchmark::measures(benchmark);
    let (measure, k) = match metric.split_once('.') {
        Some((measure, k)) if measures.contains(&measure) => (Some(measure.to_owned()), k),
        _ => (None, metric),
    };
    let k = k.strip_prefix("pass@")?.parse().ok()?;
    (k > 0).then_some((measure, k))
}

/// pass@1 of a benchmark, and of each of its measures.
fn columns_of(name: &'static str) -> impl Iterator<Item = Column> {
    let measures = benchmark::measures(name).iter().copied();
    let measures = std::iter::once(None).chain(measures.map(Some));
    measures.map(move |measure| Column {
        benchmark: name.to_owned(),
        measure: measure.map(str::to_owned),
        pass_at: 1,
    })
}

fn unknown_row(name: &str, node: &Node, axes: &[String]) -> Problem {
    let title = format!("the table's row `{name}` is not an axis of the grid");
    let problem = Problem::new(Code::E130, node.place, title, "not in [grid]");
    if let Some(axis) = nearest(name, axes.iter().map(String::as_str)) {
        return problem.replace(
            node.place,
            format!("\"{axis}\""),
            format!("did you mean `{axis}`?"),
        );
    }
    if schema::find(name).is_some() {
        return problem.help(format!("make it an axis: [grid] \"{name}\" = [...]"));
    }
    problem.help(axes_in_words(axes))
}

fn axes_in_words(axes: &[String]) -> String {
    match axes {
        [] => "the spec has no [grid]: leave this out".to_owned(),
        axes => format!("the axes are {}", one_of(axes).replace(" or ", " and ")),
    }
}

fn guess(problem: Problem, node: &Node, word: &str, names: &[&str], rest: &str) -> Problem {
    match nearest(word, names.iter().copied()) {
        Some(name) => problem.replace(
            node.place,
            format!("\"{name}{rest}\""),
            format!("did you mean `{name}{rest}`?"),
        ),
        None => problem,
    }
}

fn list_or_one(setting: Setting<'_>) -> Vec<Node> {
    match setting.entry.node.items() {
        [] => vec![setting.entry.node.clone()],
        items => items.to_vec(),
    }
}
