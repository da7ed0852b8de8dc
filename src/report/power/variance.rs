//! The variance of a difference: from finished jobs, or a guess that is stated.

use std::collections::{BTreeMap, BTreeSet};

use super::{Compared, independent_draws};
use crate::{
    eval::{EvalOutcome, pass_at_k},
    plan::JobId,
    report::statistics::{Of, estimate},
    results::Store,
    spec::Column,
};

/// So many finished comparisons, or rows, say enough of the variance.
const MOST_READ: usize = 8;

/// Without any result: the variance between groups of a difference whose rows' chances are spread evenly between 0
/// and 1 and have a correlation of one half: `2 · 1/12 · (1 - 1/2)`.
const GUESSED_BETWEEN: f64 = 1.0 / 12.0;

/// The variance of one draw of each row at such chances: `2 · E[p (1 - p)] = 2 · (1/2 - 1/3)`.
const GUESSED_WITHIN: f64 = 1.0 / 3.0;

/// The variance of a difference, by what more tasks and more draws would reduce.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Variance {
    /// Of a group.
    pub(super) between: f64,
    /// Of a draw of a task; nothing if single draws say nothing of it, and then it is part of the other one.
    pub(super) within: Option<f64>,
}

/// Outcomes that were read, by job.
pub(super) struct Outcomes<'a> {
    store: &'a Store,
    known: BTreeMap<JobId, Option<EvalOutcome>>,
}

impl<'a> Outcomes<'a> {
    pub(super) fn new(store: &'a Store) -> Self {
        let known = BTreeMap::new();
        Self { store, known }
    }

    /// The outcomes of a row; nothing if one is not there.
    fn of(&mut self, jobs: &[&JobId]) -> Option<Vec<EvalOutcome>> {
        let found = jobs.iter().map(|id| {
            let known = self.known.entry((*id).clone()).or_insert_with(|| {
                let outcome = self.store.job_dir(id).outcome()?;
                outcome.as_eval().cloned()
            });
            known.clone()
        });
        found.collect()
    }
}

/// The chance of each task of a row, its group, and the variance of the chance's own error.
type Chances = BTreeMap<String, (String, f64, Option<f64>)>;

/// What the seeds of a row have given of a task.
#[derive(Default)]
struct Seeds {
    group: String,
    chances: Vec<f64>,
    /// The samples of the last seed.
    samples: usize,
}

fn chances(outcomes: &[EvalOutcome], column: &Column) -> Chances {
    let mut found: BTreeMap<String, Seeds> = BTreeMap::new();
    for task in outcomes.iter().flat_map(|outcome| &outcome.tasks) {
        let counted = match &column.measure {
            Some(measure) => task.measures.get(measure),
            None => Some(&task.passed),
        };
        let Some(counted) = counted else {
            continue;
        };
        let correct = counted.iter().filter(|holds| **holds).count();
        let Some(chance) = pass_at_k(counted.len(), correct, column.pass_at) else {
            continue;
        };
        let group = task.group.clone().unwrap_or_else(|| task.task_id.clone());
        let seeds = found.entry(task.task_id.clone()).or_default();
        seeds.group = group;
        seeds.chances.push(chance);
        seeds.samples = counted.len();
    }
    let chance = |(task, seeds): (String, Seeds)| {
        let mean = seeds.chances.iter().sum::<f64>() / seeds.chances.len() as f64;
        let error = seeds.error(mean, column.pass_at);
        (task, (seeds.group, mean, error))
    };
    found.into_iter().map(chance).collect()
}

impl Seeds {
    /// The variance of the mean over seeds and samples, without bias; nothing from a single draw.
    fn error(&self, mean: f64, pass_at: usize) -> Option<f64> {
        match self.chances.len() {
            1 if pass_at == 1 && self.samples > 1 => {
                Some(mean * (1.0 - mean) / (self.samples - 1) as f64)
            }
            0 | 1 => None,
            count => {
                let distances = self.chances.iter().map(|chance| (chance - mean).powi(2));
                let count = count as f64;
                Some(distances.sum::<f64>() / (count - 1.0) / count)
            }
        }
    }
}

/// The variance of the differences of two rows, or of the values of one.
fn parts_of(values: &[(&str, f64)], errors: Option<f64>, draws: f64, of: Of) -> Option<Variance> {
    let total = estimate(values, of)?.standard_error?.powi(2);
    let groups: BTreeSet<&str> = values.iter().map(|(group, _)| *group).collect();
    let (groups, tasks) = (groups.len() as f64, values.len() as f64);
    let within = errors.map(|errors| (errors / tasks.powi(2)).min(total));
    Some(Variance {
        between: (total - within.unwrap_or(0.0)) * groups,
        within: within.map(|within| within * tasks * draws),
    })
}

/// The variance of a difference in a column, what it follows from, and outcomes of the column.
pub(super) fn variance(
    pairs: &[Compared<'_>],
    column: &Column,
    outcomes: &mut Outcomes<'_>,
) -> (Variance, String, Option<EvalOutcome>) {
    let mut compared = Vec::new();
    let mut alone = Vec::new();
    let mut seen = None;
    for pair in pairs.iter().take(10 * MOST_READ) {
        let [one, two] = [0, 1].map(|side| outcomes.of(&pair[side]));
        for found in [&one, &two].into_iter().flatten() {
            seen = seen.or_else(|| found.first().cloned());
            if alone.len() < MOST_READ {
                alone.extend(of_row(found, column));
            }
        }
        if let (Some(one), Some(two)) = (one, two) {
            compared.extend(of_pair(&one, &two, column));
        }
        if compared.len() >= MOST_READ {
            break;
        }
    }
    let (number, rows) = (compared.len(), alone.len());
    if let Some(variance) = mean(&compared) {
        return (
            variance,
            format!("that of {}", counted(number, "finished comparison")),
            seen,
        );
    }
    if let Some(row) = mean(&alone) {
        // Two rows of equal variance with a correlation of one half between groups, and none between draws.
        let variance = Variance {
            between: row.between,
            within: row.within.map(|within| 2.0 * within),
        };
        let basis = format!(
            "that of {}; a guess: the chances of two rows have a correlation of one half",
            counted(rows, "finished row")
        );
        return (variance, basis, seen);
    }
    let guess = Variance {
        between: GUESSED_BETWEEN,
        within: Some(GUESSED_WITHIN),
    };
    let basis = "a guess, because no job has finished: chances are spread evenly between 0 and 1, alike in a group, \
                 with a correlation of one half between rows";
    (guess, basis.to_owned(), seen)
}

fn counted(number: usize, what: &str) -> String {
    let end = if number == 1 { "" } else { "s" };
    format!("{number} {what}{end}")
}

fn of_row(outcomes: &[EvalOutcome], column: &Column) -> Option<Variance> {
    let chances = chances(outcomes, column);
    let values: Vec<(&str, f64)> = chances
        .values()
        .map(|(group, chance, _)| (group.as_str(), *chance))
        .collect();
    let errors = chances.values().map(|(_, _, error)| *error).sum();
    parts_of(&values, errors, draws(outcomes, column.pass_at), Of::Shares)
}

pub(super) fn of_pair(
    one: &[EvalOutcome],
    two: &[EvalOutcome],
    column: &Column,
) -> Option<Variance> {
    let (first, second) = (chances(one, column), chances(two, column));
    let both = first.iter().filter_map(|(task, (group, chance, error))| {
        let (_, other, other_error) = second.get(task)?;
        let error = error.and_then(|error| Some(error + (*other_error)?));
        Some(((group.as_str(), chance - other), error))
    });
    let (values, errors): (Vec<(&str, f64)>, Vec<Option<f64>>) = both.unzip();
    let pass_at = column.pass_at;
    let draws = draws(one, pass_at).min(draws(two, pass_at));
    parts_of(&values, errors.into_iter().sum(), draws, Of::Changes)
}

/// Independent draws of a task.
fn draws(outcomes: &[EvalOutcome], pass_at: usize) -> f64 {
    let samples = |outcome: &EvalOutcome| outcome.tasks.first().map(|task| task.passed.len());
    let samples = outcomes.iter().filter_map(samples).max().unwrap_or(1);
    independent_draws(samples, outcomes.len(), pass_at)
}

fn mean(all: &[Variance]) -> Option<Variance> {
    let count = all.len() as f64;
    let within: Option<f64> = all.iter().map(|one| one.within).sum();
    let between = all.iter().map(|one| one.between).sum::<f64>() / count;
    (!all.is_empty()).then(|| Variance {
        between,
        within: within.map(|within| within / count),
    })
}
