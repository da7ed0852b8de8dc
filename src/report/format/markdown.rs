//! `table.md`, and what a terminal shows: percent with one decimal, columns aligned, notes below.

use std::collections::BTreeSet;

use crate::{
    report::table::{Breakdown, Cell, Change, Heading, Row, Table, Value},
    spec::Show,
};

use super::{percent, points};

/// The table for people.
pub(in crate::report) fn markdown(table: &Table) -> String {
    let mut texts = vec![format!("# {}", table.experiment)];
    if !table.description.is_empty() {
        texts.push(table.description.clone());
    }
    for block in blocks(table) {
        if !block.title.is_empty() {
            texts.push(format!("## {}", block.title));
        }
        texts.push(aligned(&block.lines));
    }
    // A list, so that every line stays a line.
    let legend = legend(table).into_iter().map(|line| format!("- {line}"));
    texts.push(legend.collect::<Vec<_>>().join("\n"));
    texts.join("\n\n") + "\n"
}

/// A table of texts: the table itself, or a breakdown of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::report) struct Block {
    /// Empty for the table itself.
    pub(in crate::report) title: String,
    /// How many of the columns are labels.
    pub(in crate::report) labels: usize,
    /// The headings, and then the rows.
    pub(in crate::report) lines: Vec<Vec<String>>,
}

/// All tables that people read, the table itself first.
pub(in crate::report) fn blocks(table: &Table) -> Vec<Block> {
    let mut blocks = vec![Block {
        title: String::new(),
        labels: table.axes.len().max(1),
        lines: lines(table),
    }];
    if !table.pairs.is_empty() {
        blocks.push(Block {
            title: "Rows against each other".to_owned(),
            labels: 1,
            lines: by_pair(table),
        });
    }
    blocks.extend(table.breakdowns.iter().map(|breakdown| {
        let Heading { benchmark, metric } = &breakdown.column;
        Block {
            title: format!("{benchmark} {metric} by kind of task"),
            labels: 1,
            lines: by_kind(table, breakdown),
        }
    }));
    blocks
}

/// The cells' texts, the headings first.
fn lines(table: &Table) -> Vec<Vec<String>> {
    let mut headings: Vec<String> = table.axes.clone();
    if headings.is_empty() {
        headings.push("experiment".to_owned());
    }
    for (index, column) in table.columns.iter().enumerate() {
        headings.push(format!("{} {}", column.benchmark, column.metric));
        if table.has_paper(index) {
            headings.extend(["paper", "ours - paper"].map(str::to_owned));
        }
    }
    let mut lines = vec![headings];
    for row in &table.rows {
        let mut line = row.labels.clone();
        if table.axes.is_empty() && line.is_empty() {
            line.push(table.experiment.clone());
        }
        for (index, cell) in row.cells.iter().enumerate() {
            line.push(ours(table, row, cell));
            if table.has_paper(index) {
                line.extend(paper(table, cell));
            }
        }
        lines.push(line);
    }
    lines
}

/// A line for each kind, a column for each row of the table.
fn by_kind(table: &Table, breakdown: &Breakdown) -> Vec<Vec<String>> {
    let mut headings = vec!["kind".to_owned(), "tasks".to_owned()];
    headings.extend(table.rows.iter().map(|row| row.labels.join(" ")));
    let lines = breakdown.rows.iter().map(|row| {
        let count = row.values.iter().flatten().map(|value| value.n).max();
        let mut line = vec![row.kind.clone(), count.unwrap_or(0).to_string()];
        line.extend(row.values.iter().map(|value| match value {
            Some(value) => with_error(percent, value.mean, value.half_width, value.interval),
            None => "—".to_owned(),
        }));
        line
    });
    std::iter::once(headings).chain(lines).collect()
}

/// A line for each pair of rows.
fn by_pair(table: &Table) -> Vec<Vec<String>> {
    let mut headings = vec!["rows".to_owned()];
    let columns = table.columns.iter();
    headings.extend(columns.map(|column| format!("{} {}", column.benchmark, column.metric)));
    let lines = table.pairs.iter().map(|pair| {
        let names = pair.rows.map(|row| table.rows[row].labels.join(" "));
        let mut line = vec![names.join(" - ")];
        line.extend(pair.differences.iter().map(|difference| match difference {
            Some(change) => of_change(*change),
            None => "—".to_owned(),
        }));
        line
    });
    std::iter::once(headings).chain(lines).collect()
}

/// What a cell shows of our own figures.
enum Shown {
    Change(Change),
    Value(Value, Option<Change>),
    Nothing,
}

fn shown(table: &Table, row: &Row, cell: &Cell) -> Shown {
    match (table.show, row.is_baseline, cell.change, cell.value) {
        (Show::Delta, false, Some(change), _) => Shown::Change(change),
        // Without its change a row of a table of changes has nothing to show.
        (Show::Delta, false, None, _) | (_, _, _, None) => Shown::Nothing,
        (_, _, change, Some(value)) => Shown::Value(value, change),
    }
}

/// Why a figure has an error with it, or none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ErrorOf {
    Known,
    /// All problems have the same result.
    Alike,
    /// They differ, and their groups do not: there is one, or all have the same mean.
    OneGroup,
}

/// Whether a cell shows an error with its figure; nothing for a hole.
fn error_of(table: &Table, row: &Row, cell: &Cell) -> Option<ErrorOf> {
    let (half_width, are_alike) = match shown(table, row, cell) {
        Shown::Change(change) => (change.half_width, change.are_alike),
        Shown::Value(value, _) => (value.half_width, value.are_alike),
        Shown::Nothing => return None,
    };
    Some(match (half_width, are_alike) {
        (Some(_), _) => ErrorOf::Known,
        (None, true) => ErrorOf::Alike,
        (None, false) => ErrorOf::OneGroup,
    })
}

fn ours(table: &Table, row: &Row, cell: &Cell) -> String {
    let mut text = match shown(table, row, cell) {
        Shown::Change(change) => of_change(change),
        Shown::Value(value, change) => {
            let text = with_error(percent, value.mean, value.half_width, value.interval);
            let change = change.map(|change| format!(" ({}{})", points(change.mean), mark(change)));
            text + &change.unwrap_or_default()
        }
        Shown::Nothing => "—".to_owned(),
    };
    if let Some([low, high]) = cell.seeds_range.filter(|_| table.show == Show::Value) {
        text += &[", seeds ", &percent(low), " to ", &percent(high)].concat();
    }
    let notes: Vec<String> = cell.notes.iter().map(|note| format!(" [{note}]")).collect();
    text + &notes.concat()
}

/// A figure with its error: `±`, or the ends of the interval where it is not symmetric.
fn with_error(
    print: fn(f64) -> String,
    mean: f64,
    half_width: Option<f64>,
    interval: Option<[f64; 2]>,
) -> String {
    let figure = print(mean);
    match (interval, half_width) {
        (Some([low, high]), _) => format!("{figure}, {} to {}", print(low), print(high)),
        (None, Some(half_width)) => format!("{figure} ± {}", percent(half_width)),
        (None, None) => figure,
    }
}

fn of_change(change: Change) -> String {
    with_error(points, change.mean, change.half_width, change.interval) + mark(change)
}

fn mark(change: Change) -> &'static str {
    if change.is_distinguishable { "" } else { " n" }
}

/// The printed figure, and how ours differs from it.
fn paper(table: &Table, cell: &Cell) -> [String; 2] {
    let Some(paper) = cell.paper else {
        return ["", ""].map(str::to_owned);
    };
    let printed = match (table.show, paper.figure.change) {
        (Show::Delta, Some(change)) => points(change),
        _ => percent(paper.figure.value),
    };
    let difference = paper.difference.map_or_else(String::new, |difference| {
        let mark = match paper.agrees {
            Some(true) => " =",
            Some(false) => " !",
            None => "",
        };
        points(difference) + mark
    });
    [printed, difference]
}

fn aligned(lines: &[Vec<String>]) -> String {
    let columns = lines.iter().map(Vec::len).max().unwrap_or_default();
    let width = |column: usize| {
        lines
            .iter()
            .filter_map(|line| line.get(column))
            .map(|text| text.chars().count())
            .max()
    };
    let widths: Vec<usize> = (0..columns)
        .map(|column| width(column).unwrap_or(0).max(3))
        .collect();
    let mut texts: Vec<String> = lines.iter().map(|line| padded(line, &widths)).collect();
    let rule: Vec<String> = widths.iter().map(|width| "-".repeat(*width)).collect();
    texts.insert(1, padded(&rule, &widths));
    texts.join("\n")
}

fn padded(line: &[String], widths: &[usize]) -> String {
    let cells = widths.iter().enumerate().map(|(column, width)| {
        let text = line
            .get(column)
            .map_or("", String::as_str)
            .replace('|', "\\|");
        format!("{text:<width$}")
    });
    format!("| {} |", cells.collect::<Vec<_>>().join(" | "))
}

/// What changes are, and differences of rows.
fn of_changes(table: &Table) -> Vec<String> {
    let mut lines = Vec::new();
    let mut cells = table.rows.iter().flat_map(|row| &row.cells);
    let has_changes = cells.any(|cell| cell.change.is_some());
    if let Some(baseline) = table.baseline.as_ref().filter(|_| has_changes) {
        let mark = match table.tested_changes() {
            count @ 2.. => format!(
                "no difference from 0 at 5 %, with Holm's correction for the {count} changes of the \
                 table; errors are of each change alone"
            ),
            _ => "the 95 % interval of the change holds 0".to_owned(),
        };
        lines.push(format!(
            "Changes are points against {baseline}, problem by problem; n: {mark}."
        ));
    }
    if !table.pairs.is_empty() {
        let mark = match table.tested_pairs() {
            count @ 2.. => format!("; n with Holm's correction for these {count} differences"),
            _ => "; n: the 95 % interval holds 0".to_owned(),
        };
        lines.push(format!(
            "Rows against each other: points, problem by problem, as changes{mark}."
        ));
    }
    lines
}

/// What the marks mean, of those that the table has.
#[expect(clippy::too_many_lines, reason = "a sentence for each mark")]
pub(in crate::report) fn legend(table: &Table) -> Vec<String> {
    let cells = || table.rows.iter().flat_map(|row| &row.cells);
    let mut lines = Vec::new();
    let errors: Vec<ErrorOf> = table
        .rows
        .iter()
        .flat_map(|row| {
            row.cells
                .iter()
                .filter_map(|cell| error_of(table, row, cell))
        })
        .collect();
    if errors.contains(&ErrorOf::Known) {
        lines.push(format!(
            "Percent, ± half of the 95 % interval over problems ({}), by Student's t; problems of \
             one group are not counted as independent.",
            problems(table)
        ));
    }
    let (has_interval, mut without) = (has_interval(table), "Where there is no ±");
    if has_interval {
        without = "Where there is neither";
        lines.push(
            "Where the ± would leave the range of the figure, there are the ends of the 95 % interval by \
             Student's t on the log-odds."
                .to_owned(),
        );
    }
    let are_alike = errors.contains(&ErrorOf::Alike);
    if are_alike {
        lines.push(format!(
            "{without}, all problems had the same result, from which no error can be estimated."
        ));
    }
    if errors.contains(&ErrorOf::OneGroup) {
        let others = if are_alike {
            "Or they".to_owned()
        } else {
            format!("{without}, the problems")
        };
        lines.push(format!(
            "{others} are of one group, or their groups have the same mean: from that no error follows."
        ));
    }
    if cells().any(|cell| cell.seeds_range.is_some()) {
        lines.push(
            "Several seeds are averaged for each problem before that; \"seeds a to b\" are the \
             lowest and the highest mean of a seed."
                .to_owned(),
        );
    }
    lines.extend(of_changes(table));
    if let Some(reference) = table
        .reference
        .as_ref()
        .filter(|_| cells().any(|cell| cell.paper.is_some()))
    {
        lines.push(format!(
            "Paper: {reference}. = is a difference within both 95 % errors, ! one outside; the \
             paper's is that of a share of as many problems as it has."
        ));
    }
    for (index, note) in table.notes.iter().enumerate() {
        lines.push(format!("[{}] {note}", index + 1));
    }
    lines.push("The jobs behind every cell are in table.json.".to_owned());
    lines.extend(
        table
            .made_by
            .iter()
            .map(|maker| format!("Made from {maker}.")),
    );
    lines
}

/// Whether a figure of the table, or of those below it, has the ends of its interval.
fn has_interval(table: &Table) -> bool {
    let shown = table.rows.iter().flat_map(|row| {
        let cells = row.cells.iter().map(move |cell| shown(table, row, cell));
        cells.map(|shown| match shown {
            Shown::Change(change) => change.interval,
            Shown::Value(value, _) => value.interval,
            Shown::Nothing => None,
        })
    });
    let kinds = table
        .breakdowns
        .iter()
        .flat_map(|breakdown| &breakdown.rows);
    let kinds = kinds.flat_map(|row| row.values.iter().flatten());
    let pairs = table.pairs.iter().flat_map(|pair| &pair.differences);
    let pairs = pairs.flatten().map(|change| change.interval);
    let mut all = shown.chain(kinds.map(|value| value.interval)).chain(pairs);
    all.any(|interval| interval.is_some())
}

fn problems(table: &Table) -> String {
    let mut texts = BTreeSet::new();
    for row in &table.rows {
        for (column, cell) in table.columns.iter().zip(&row.cells) {
            texts.extend(
                cell.value
                    .map(|value| format!("{}: {}", column.benchmark, value.n)),
            );
        }
    }
    texts.into_iter().collect::<Vec<_>>().join(", ")
}
