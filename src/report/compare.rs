//! From outcomes to numbers: means over seeds, compared with the baseline and the paper.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    eval::{EvalOutcome, TaskOutcome, UNJUDGED, pass_at_k},
    spec::{Column, Show},
};

use super::{
    notes::Notes,
    paper::{Reference, Subject},
    sheet::{Found, Sheet, SheetRow},
    statistics::{Estimate, Of, estimate, holm},
    table::{Breakdown, Cell, Change, Heading, KindRow, Pair, Paper, Row, Source, Table, Value},
};

/// Each problem's chance of being solved, averaged over seeds, with the group it belongs to.
pub(super) type Problems = BTreeMap<String, (String, f64)>;

/// Fills a sheet with the outcomes that are there.
pub(super) fn fill(sheet: &Sheet, reference: Option<&Reference>) -> Table {
    let mut notes = Notes::default();
    let mut rows: Vec<Row> = sheet
        .rows
        .iter()
        .map(|row| fill_row(sheet, row, reference, &mut notes))
        .collect();
    let cells = rows.iter_mut().flat_map(|row| &mut row.cells);
    correct(cells.filter_map(|cell| cell.change.as_mut()).collect());
    let mut pairs = pairs(sheet);
    let differences = pairs.iter_mut().flat_map(|pair| &mut pair.differences);
    correct(differences.flatten().collect());
    let columns = sheet.columns.iter().map(|column| Heading {
        benchmark: column.benchmark.clone(),
        metric: column.metric(),
    });
    Table {
        experiment: sheet.experiment.clone(),
        description: sheet.description.clone(),
        axes: sheet.axes.clone(),
        columns: columns.collect(),
        show: sheet.show,
        baseline: sheet.baseline.clone(),
        reference: reference.map(|reference| format!("{}: {}", reference.source, reference.title)),
        rows,
        breakdowns: breakdowns(sheet),
        pairs,
        notes: notes.texts(),
        made_by: None,
    }
}

fn fill_row(
    sheet: &Sheet,
    row: &SheetRow,
    reference: Option<&Reference>,
    notes: &mut Notes,
) -> Row {
    let cells = sheet.columns.iter().map(|column| {
        let mut cell = fill_cell(row, column, notes);
        let baseline = row.baseline.and_then(|index| sheet.rows.get(index));
        cell.change = baseline.and_then(|baseline| change(row, baseline, column));
        if let Some(reference) = reference {
            cell.paper = paper(reference, &row.subject, column, sheet.show, &cell);
            let note = reference.note(&row.subject, &column.benchmark, &column.metric());
            cell.notes
                .extend(note.map(|note| notes.number(&format!("the paper: {note}"))));
        }
        cell
    });
    Row {
        labels: row.labels.clone(),
        is_baseline: row.is_baseline,
        target_log_prob: mean(row.target_log_probs.values()),
        cells: cells.collect(),
    }
}

fn fill_cell(row: &SheetRow, column: &Column, notes: &mut Notes) -> Cell {
    let runs = row.runs(&column.benchmark);
    let mut cell = Cell::default();
    let mut seed_means = Vec::new();
    for run in runs {
        let outcome = run.found.outcome();
        let mean = outcome.and_then(|outcome| mean_of(outcome, column));
        seed_means.extend(mean);
        cell.sources.push(Source {
            job: run.job.clone(),
            seed: run.seed,
            value: mean,
            counts: outcome
                .map(|outcome| outcome.counts.clone())
                .unwrap_or_default(),
            samples_digest: outcome.map(|outcome| outcome.samples_digest.clone()),
        });
        let note = match &run.found {
            Found::Hole(reason) => Some(reason.clone()),
            Found::Done(outcome) => unjudged(outcome),
        };
        let texts = note.iter().chain(&run.warnings);
        cell.notes.extend(texts.map(|note| notes.number(note)));
    }
    if runs.is_empty() {
        cell.notes
            .push(notes.number("not measured in this experiment"));
    } else if !seed_means.is_empty() && seed_means.len() < runs.len() {
        let text = format!("{} of {} seeds", seed_means.len(), runs.len());
        cell.notes.push(notes.number(&text));
    }
    cell.notes.sort_unstable();
    cell.notes.dedup();
    cell.value = estimate_of(&problems(row, column)).map(Value::from);
    cell.seeds_range = range(&seed_means);
    cell
}

/// The first column of each benchmark that has several kinds of tasks, and of each of its measures, kind by
/// kind.
fn breakdowns(sheet: &Sheet) -> Vec<Breakdown> {
    let mut seen = BTreeSet::new();
    let first = |column: &&Column| seen.insert((column.benchmark.clone(), column.measure.clone()));
    let columns: Vec<&Column> = sheet.columns.iter().filter(first).collect();
    columns
        .into_iter()
        .filter_map(|column| {
            let runs = sheet
                .rows
                .iter()
                .flat_map(|row| row.runs(&column.benchmark));
            let outcomes = runs.filter_map(|run| run.found.outcome());
            let tasks = outcomes.flat_map(|outcome| &outcome.tasks);
            let kinds: BTreeSet<&String> = tasks.filter_map(|task| task.kind.as_ref()).collect();
            let rows = kinds.into_iter().map(|kind| KindRow {
                kind: kind.clone(),
                values: sheet
                    .rows
                    .iter()
                    .map(|row| {
                        let is_meant = |task: &TaskOutcome| task.kind.as_ref() == Some(kind);
                        estimate_of(&problems_where(row, column, &is_meant)).map(Value::from)
                    })
                    .collect(),
            });
            let rows: Vec<KindRow> = rows.collect();
            (rows.len() > 1).then(|| Breakdown {
                column: Heading {
                    benchmark: column.benchmark.clone(),
                    metric: column.metric(),
                },
                rows,
            })
        })
        .collect()
}

/// With more rows than this there are too many pairs to read.
pub(super) const MOST_PAIRED: usize = 6;

/// Rows other than baselines, compared with each other problem by problem.
fn pairs(sheet: &Sheet) -> Vec<Pair> {
    let rows = sheet.rows.iter().enumerate();
    let rows: Vec<usize> = rows
        .filter(|(_, row)| !row.is_baseline)
        .map(|(index, _)| index)
        .collect();
    if rows.len() > MOST_PAIRED {
        return Vec::new();
    }
    let mut pairs = Vec::new();
    for (place, first) in rows.iter().enumerate() {
        for second in &rows[place + 1..] {
            let columns = sheet.columns.iter();
            let difference = |column| change(&sheet.rows[*first], &sheet.rows[*second], column);
            let differences: Vec<Option<Change>> = columns.map(difference).collect();
            if differences.iter().any(Option::is_some) {
                pairs.push(Pair {
                    rows: [*first, *second],
                    differences,
                });
            }
        }
    }
    pairs
}

/// How many samples could not be judged, in words.
fn unjudged(outcome: &EvalOutcome) -> Option<String> {
    let count = outcome
        .counts
        .get(UNJUDGED)
        .copied()
        .filter(|count| *count > 0)?;
    let all: usize = outcome.tasks.iter().map(|task| task.passed.len()).sum();
    Some(format!(
        "the judge failed on {count} of {all} samples; they count as not passed"
    ))
}

/// The means of problems over the seeds that are there.
pub(super) fn problems(row: &SheetRow, column: &Column) -> Problems {
    problems_where(row, column, &|_| true)
}

fn problems_where(
    row: &SheetRow,
    column: &Column,
    is_meant: &dyn Fn(&TaskOutcome) -> bool,
) -> Problems {
    let mut sums: BTreeMap<String, (String, f64, usize)> = BTreeMap::new();
    let outcomes = row
        .runs(&column.benchmark)
        .iter()
        .filter_map(|run| run.found.outcome());
    let tasks = outcomes.flat_map(|outcome| &outcome.tasks);
    for task in tasks.filter(|task| is_meant(task)) {
        let Some(chance) = chance(task, column) else {
            continue;
        };
        let group = task.group.clone().unwrap_or_else(|| task.task_id.clone());
        let (_, sum, count) = sums.entry(task.task_id.clone()).or_insert((group, 0.0, 0));
        *sum += chance;
        *count += 1;
    }
    let mean = |(group, sum, count): (String, f64, usize)| (group, sum / count as f64);
    sums.into_iter()
        .map(|(task, sums)| (task, mean(sums)))
        .collect()
}

/// The chance that one of `column.pass_at` samples of a task counts.
fn chance(task: &TaskOutcome, column: &Column) -> Option<f64> {
    let counted = match &column.measure {
        Some(measure) => task.measures.get(measure)?,
        None => &task.passed,
    };
    let correct = counted.iter().filter(|counts| **counts).count();
    pass_at_k(counted.len(), correct, column.pass_at)
}

fn mean_of(outcome: &EvalOutcome, column: &Column) -> Option<f64> {
    let chances = outcome.tasks.iter().map(|task| chance(task, column));
    let chances: Vec<f64> = chances.collect::<Option<_>>()?;
    (!chances.is_empty()).then(|| chances.iter().sum::<f64>() / chances.len() as f64)
}

pub(super) fn estimate_of(problems: &Problems) -> Option<Estimate> {
    let values: Vec<(&str, f64)> = problems
        .values()
        .map(|(group, value)| (group.as_str(), *value))
        .collect();
    estimate(&values, Of::Shares)
}

/// The mean change of the problems that both rows have.
pub(super) fn change(row: &SheetRow, baseline: &SheetRow, column: &Column) -> Option<Change> {
    let (ours, theirs) = (problems(row, column), problems(baseline, column));
    let changes: Vec<(&str, f64)> = ours
        .iter()
        .filter_map(|(task, (group, value))| {
            theirs
                .get(task)
                .map(|(_, start)| (group.as_str(), value - start))
        })
        .collect();
    let Estimate {
        mean,
        standard_error,
        half_width,
        interval,
        p_value,
        are_alike,
        ..
    } = estimate(&changes, Of::Changes)?;
    Some(Change {
        mean,
        standard_error,
        half_width,
        interval,
        p_value,
        corrected_p_value: None,
        // One change for all problems; the others are compared by `correct`.
        is_distinguishable: p_value.is_none() && are_alike && changes.len() > 1 && mean != 0.0,
        are_alike,
    })
}

/// Below this p-value a change is distinguishable from none.
pub(super) const LEVEL: f64 = 0.05;

/// Compares changes that are read together with 0.
fn correct(changes: Vec<&mut Change>) {
    let tested = changes.into_iter();
    let tested = tested.filter_map(|change| Some((change.p_value?, change)));
    let (p_values, tested): (Vec<f64>, Vec<&mut Change>) = tested.unzip();
    for (change, corrected) in tested.into_iter().zip(holm(&p_values)) {
        change.corrected_p_value = Some(corrected);
        change.is_distinguishable = corrected < LEVEL;
    }
}

fn paper(
    reference: &Reference,
    subject: &Subject,
    column: &Column,
    show: Show,
    cell: &Cell,
) -> Option<Paper> {
    let figure = reference.figure(subject, &column.benchmark, &column.metric())?;
    let (ours, our_half_width, theirs, their_half_width) = match (show, cell.change, figure.change)
    {
        (Show::Delta, Some(change), Some(printed)) => (
            Some(change.mean),
            change.half_width,
            printed,
            figure.change_half_width,
        ),
        _ => (
            cell.value.map(|value| value.mean),
            cell.value.and_then(|value| value.half_width),
            figure.value,
            figure.half_width,
        ),
    };
    let difference = ours.map(|ours| ours - theirs);
    let half_width = our_half_width.unwrap_or(0.0).hypot(their_half_width);
    let agrees = difference.map(|difference| difference.abs() <= half_width);
    Some(Paper {
        figure,
        difference,
        agrees,
    })
}

fn mean<'a>(values: impl ExactSizeIterator<Item = &'a f64>) -> Option<f64> {
    let count = values.len();
    (count > 0).then(|| values.sum::<f64>() / count as f64)
}

fn range(means: &[f64]) -> Option<[f64; 2]> {
    let low = means.iter().copied().reduce(f64::min)?;
    let high = means.iter().copied().reduce(f64::max)?;
    (means.len() > 1).then_some([low, high])
}

impl From<Estimate> for Value {
    fn from(
        Estimate {
            mean,
            n,
            standard_error,
            half_width,
            interval,
            p_value: _,
            are_alike,
        }: Estimate,
    ) -> Self {
        Self {
            mean,
            n,
            standard_error,
            half_width,
            interval,
            are_alike,
        }
    }
}
