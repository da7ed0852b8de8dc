//! A benchmark with several measures, by kind of task: a panel for each measure, with intervals.

use std::{collections::BTreeSet, fmt::Write as _};

use crate::{
    eval::benchmark::BENCHMARKS,
    report::table::{Breakdown, Table, Value},
};

use super::{
    axis::marks,
    style::style,
    svg::{escaped, rule, write_text},
};

const WIDTH: f64 = 720.0;
const LEFT: f64 = 56.0;
const RIGHT: f64 = 704.0;
/// Between two panels.
const GAP: f64 = 48.0;
const TOP: f64 = 72.0;
const BOTTOM: f64 = 320.0;
/// From one line of the legend to the next.
const LINE: f64 = 20.0;
/// The part of the room of a kind that its rows take.
const SPREAD: f64 = 0.7;

/// A figure for each benchmark of a table that has several measures, after the name of its file.
pub(super) fn figures(table: &Table) -> Vec<(String, String)> {
    let benchmarks = BENCHMARKS.iter().filter(|one| !one.measures.is_empty());
    let figure = |name: &str| {
        let panels = table.breakdowns.iter();
        let panels: Vec<&Breakdown> = panels.filter(|one| one.column.benchmark == name).collect();
        (!panels.is_empty()).then(|| (file(name), svg(table, name, &panels)))
    };
    benchmarks.filter_map(|one| figure(one.name)).collect()
}

/// The names of all files of such figures.
pub(super) fn files() -> BTreeSet<String> {
    let benchmarks = BENCHMARKS.iter().filter(|one| !one.measures.is_empty());
    benchmarks.map(|one| file(one.name)).collect()
}

fn file(benchmark: &str) -> String {
    format!("{benchmark}.svg")
}

fn svg(table: &Table, benchmark: &str, panels: &[&Breakdown]) -> String {
    let rows: Vec<String> = table
        .rows
        .iter()
        .map(|row| match row.labels.join(" ") {
            label if label.is_empty() => table.experiment.clone(),
            label => label,
        })
        .collect();
    let height = BOTTOM + 56.0 + LINE * rows.len() as f64;
    let title = format!("{}: {benchmark} by kind", table.experiment);
    let mut text = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{WIDTH}\" height=\"{height}\" \
         viewBox=\"0 0 {WIDTH} {height}\" role=\"img\" font-family=\"sans-serif\" font-size=\"12\" \
         fill=\"#222222\">\n<title>{}</title>\n\
         <rect width=\"{WIDTH}\" height=\"{height}\" fill=\"#ffffff\"/>\n",
        escaped(&title)
    );
    write_text(&mut text, (LEFT, 24.0), "font-size=\"16\"", &title);
    let about = "percent of samples, with 95 % intervals over tasks";
    write_text(&mut text, (LEFT, 43.0), "fill=\"#555555\"", about);
    let count = panels.len() as f64;
    let width = (RIGHT - LEFT - GAP * (count - 1.0)) / count;
    for (place, panel) in panels.iter().enumerate() {
        let left = LEFT + (width + GAP) * place as f64;
        draw(&mut text, panel, left, width);
    }
    for (place, row) in rows.iter().enumerate() {
        let y = BOTTOM + 48.0 + LINE * place as f64;
        let (colour, _) = style(place);
        let _ = writeln!(
            text,
            "<circle cx=\"{:.1}\" cy=\"{:.1}\" r=\"4\" fill=\"{colour}\"/>",
            LEFT + 6.0,
            y - 4.0
        );
        write_text(&mut text, (LEFT + 20.0, y), "", row);
    }
    text + "</svg>\n"
}

/// What a measure is called above its panel.
fn heading(metric: &str) -> String {
    match metric.split_once('.') {
        Some((measure, _)) => format!("the answer {measure} the note"),
        None => "the answer is right".to_owned(),
    }
}

fn draw(text: &mut String, panel: &Breakdown, left: f64, width: f64) {
    let right = left + width;
    let title = heading(&panel.column.metric);
    write_text(text, (left, TOP - 10.0), "font-weight=\"bold\"", &title);
    for (value, label) in marks(0.0, 100.0, 5) {
        let y = y(value / 100.0);
        rule(text, [left, y, right, y], "#e0e0e0");
        write_text(text, (left - 6.0, y + 4.0), "text-anchor=\"end\"", &label);
    }
    rule(text, [left, TOP, left, BOTTOM], "#555555");
    rule(text, [left, BOTTOM, right, BOTTOM], "#555555");
    let room = width / panel.rows.len().max(1) as f64;
    for (place, kind) in panel.rows.iter().enumerate() {
        let middle = left + room * (place as f64 + 0.5);
        let at = (middle, BOTTOM + 18.0);
        write_text(text, at, "text-anchor=\"middle\"", &kind.kind);
        let count = kind.values.len() as f64;
        for (row, value) in kind.values.iter().enumerate() {
            let Some(value) = value else { continue };
            let aside = (row as f64 + 0.5) / count - 0.5;
            point(text, middle + room * SPREAD * aside, value, row);
        }
    }
}

fn y(value: f64) -> f64 {
    BOTTOM - (BOTTOM - TOP) * value
}

/// A mean and its interval, which ends where the shares do.
fn point(text: &mut String, x: f64, value: &Value, row: usize) {
    let (colour, _) = style(row);
    let symmetric = |half_width: f64| [value.mean - half_width, value.mean + half_width];
    if let Some([low, high]) = value.interval.or(value.half_width.map(symmetric)) {
        let (low, high) = (low.max(0.0), high.min(1.0));
        rule(text, [x, y(low), x, y(high)], colour);
    }
    let y = y(value.mean);
    let _ = writeln!(
        text,
        "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"4\" fill=\"{colour}\"/>"
    );
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::table::{Heading, KindRow};

    /// By hand: a value of 0.5 is in the middle of the panel, 124 pixels above its bottom, and an interval
    /// of 0.1 to each side is 24.8 pixels long to each side.
    #[test]
    fn values_and_intervals_are_where_the_axis_says() {
        let value = Value {
            mean: 0.5,
            n: 10,
            standard_error: Some(0.05),
            half_width: Some(0.1),
            interval: None,
            are_alike: false,
        };
        let panel = Breakdown {
            column: Heading {
                benchmark: "b".to_owned(),
                metric: "follows.pass@1".to_owned(),
            },
            rows: vec![KindRow {
                kind: "stale".to_owned(),
                values: vec![Some(value), None],
            }],
        };
        let mut text = String::new();

        draw(&mut text, &panel, 100.0, 400.0);

        // The first of two rows is a quarter of 0.7 times 400 pixels left of the middle, 300.
        assert!(text.contains("cx=\"230.0\" cy=\"196.0\""), "{text}");
        assert!(
            text.contains("y1=\"220.8\" x2=\"230.0\" y2=\"171.2\""),
            "{text}"
        );
        assert!(
            text.contains(">the answer follows the note</text>"),
            "{text}"
        );
        assert_eq!(text.matches("<circle").count(), 1);
    }
}
