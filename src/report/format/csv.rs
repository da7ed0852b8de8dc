//! `table.csv`: a line a figure, shares in 0..=1, for spreadsheets and scripts.

use crate::report::table::{Cell, Heading, Row, Table};

/// A line for every cell of the table.
pub(in crate::report) fn csv(table: &Table) -> String {
    let mut names: Vec<String> = table.axes.clone();
    names.extend(FIGURES.map(str::to_owned));
    let mut writer = csv::Writer::from_writer(Vec::new());
    write(&mut writer, &names);
    for row in &table.rows {
        for (column, cell) in table.columns.iter().zip(&row.cells) {
            let mut fields = row.labels.clone();
            fields.extend(figures(row, column, cell));
            write(&mut writer, &fields);
        }
    }
    let bytes = writer.into_inner().expect("a vector takes all bytes");
    String::from_utf8(bytes).expect("it was written from texts")
}

const FIGURES: [&str; 23] = [
    "benchmark",
    "metric",
    "is_baseline",
    "value",
    "standard_error",
    "half_width_95",
    "low_95",
    "high_95",
    "problems",
    "seeds",
    "seeds_low",
    "seeds_high",
    "change",
    "change_half_width_95",
    "change_low_95",
    "change_high_95",
    "p_value",
    "p_value_holm",
    "paper",
    "paper_change",
    "difference",
    "agrees",
    "jobs",
];

fn figures(row: &Row, column: &Heading, cell: &Cell) -> [String; 23] {
    let value = cell.value;
    let range = cell.seeds_range;
    let change = cell.change;
    let ends = value.and_then(|value| ends_of(value.mean, value.half_width, value.interval));
    let change_ends =
        change.and_then(|change| ends_of(change.mean, change.half_width, change.interval));
    let paper = cell.paper;
    let done = cell
        .sources
        .iter()
        .filter(|source| source.value.is_some())
        .count();
    let jobs: Vec<&str> = cell
        .sources
        .iter()
        .map(|source| source.job.0.as_str())
        .collect();
    [
        column.benchmark.clone(),
        column.metric.clone(),
        row.is_baseline.to_string(),
        text(value.map(|value| value.mean)),
        text(value.and_then(|value| value.standard_error)),
        text(value.and_then(|value| value.half_width)),
        text(ends.map(|[low, _]| low)),
        text(ends.map(|[_, high]| high)),
        text(value.map(|value| value.n)),
        done.to_string(),
        text(range.map(|[low, _]| low)),
        text(range.map(|[_, high]| high)),
        text(change.map(|change| change.mean)),
        text(change.and_then(|change| change.half_width)),
        text(change_ends.map(|[low, _]| low)),
        text(change_ends.map(|[_, high]| high)),
        text(change.and_then(|change| change.p_value)),
        text(change.and_then(|change| change.corrected_p_value)),
        text(paper.map(|paper| paper.figure.value)),
        text(paper.and_then(|paper| paper.figure.change)),
        text(paper.and_then(|paper| paper.difference)),
        text(paper.and_then(|paper| paper.agrees)),
        jobs.join(" "),
    ]
}

/// The ends of a 95 % interval.
fn ends_of(mean: f64, half_width: Option<f64>, interval: Option<[f64; 2]>) -> Option<[f64; 2]> {
    interval.or_else(|| half_width.map(|half| [mean - half, mean + half]))
}

fn text<T: ToString>(value: Option<T>) -> String {
    value.map(|value| value.to_string()).unwrap_or_default()
}

fn write(writer: &mut csv::Writer<Vec<u8>>, fields: &[String]) {
    let written = writer.write_record(fields);
    written.expect("a vector takes all bytes, and all records are of one length");
}
