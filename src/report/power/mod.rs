//! The smallest difference that an experiment can show, before it has run.
//!
//! A difference of two rows is a mean over problems, whose variance has two parts: what differs from group to
//! group of tasks, and the luck of sampling within a task. `SE² = between / G + within / (n · draws)`, with `G` groups,
//! `n` tasks and as many draws of a task as samples times seeds. A difference of `(t(1 - α/2) + t(0.8)) · SE` is found
//! in four of five experiments.

mod variance;

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use crate::{
    eval::EvalOutcome,
    plan::{Cell, JobId, Plan, Task},
    results::Store,
    spec::Column,
};

use super::{compare::MOST_PAIRED, gather::labels, statistics::quantile_of_t};
use variance::{Outcomes, Variance, variance};

/// Without a correction, the share of experiments without a difference in which one is found.
const LEVEL: f64 = 0.05;

/// The share of experiments with such a difference in which it is found.
const POWER: f64 = 0.8;

/// What a column of the table can show.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Power {
    /// The benchmark.
    pub benchmark: String,
    /// The metric, such as `pass@1`.
    pub metric: String,
    /// Tasks of the benchmark that are evaluated.
    pub tasks: usize,
    /// Groups of tasks.
    pub groups: usize,
    /// Samples of each task.
    pub samples: usize,
    /// Seeds of a row.
    pub seeds: usize,
    /// Changes of the table, which Holm's correction is for.
    pub comparisons: usize,
    /// The smallest difference that is found in four of five experiments, in 0..=1; nothing for a single group.
    pub smallest: Option<f64>,
    /// What the variance follows from, in words.
    pub basis: String,
    /// How many times as many groups of tasks halve it: as the square root of their number.
    pub groups_to_halve: usize,
    /// How many times as many samples or seeds halve it; nothing if no number does, or if it is not known.
    pub draws_to_halve: Option<usize>,
    /// What is left of it with any number of samples and seeds; nothing if that is not known.
    pub floor: Option<f64>,
}

/// The design of a column.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Design {
    tasks: usize,
    groups: usize,
    samples: usize,
    seeds: usize,
    pass_at: usize,
}

impl Design {
    /// Independent draws of a task.
    fn draws(&self) -> f64 {
        independent_draws(self.samples, self.seeds, self.pass_at)
    }

    /// The two parts of the squared standard error.
    fn parts(&self, variance: Variance) -> [f64; 2] {
        let within = variance.within.unwrap_or(0.0);
        [
            variance.between / self.groups as f64,
            within / (self.tasks as f64 * self.draws()),
        ]
    }
}

/// So many independent draws of a task are in its samples.
fn independent_draws(samples: usize, seeds: usize, pass_at: usize) -> f64 {
    let of_k = (samples / pass_at.max(1)).max(1);
    (of_k * seeds.max(1)) as f64
}

/// What each column of a plan's table can show; a table without comparisons has none.
pub fn power(plan: &Plan, store: &Store) -> Vec<Power> {
    let rows = rows(plan);
    let pairs = |column: &Column| pairs(&rows, column);
    let comparisons: usize = plan.table.cols.iter().map(|one| pairs(one).len()).sum();
    let mut outcomes = Outcomes::new(store);
    let columns = plan.table.cols.iter();
    columns
        .filter_map(|column| {
            let pairs = pairs(column);
            if pairs.is_empty() {
                return None;
            }
            let (variance, basis, seen) = variance(&pairs, column, &mut outcomes);
            let design = design(plan, &rows, column, seen)?;
            Some(of_design(&design, variance, comparisons, column, basis))
        })
        .collect()
}

fn of_design(
    design: &Design,
    variance: Variance,
    comparisons: usize,
    column: &Column,
    basis: String,
) -> Power {
    let [between, within] = design.parts(variance);
    let factor = (design.groups > 1).then(|| factor(design.groups - 1, comparisons));
    let smallest = |square: f64| factor.map(|factor| (factor * square.sqrt()).min(1.0));
    let rest = (between + within) / 4.0 - between;
    let is_known = variance.within.is_some();
    Power {
        benchmark: column.benchmark.clone(),
        metric: column.metric(),
        tasks: design.tasks,
        groups: design.groups,
        samples: design.samples,
        seeds: design.seeds,
        comparisons,
        smallest: smallest(between + within),
        basis,
        groups_to_halve: 4,
        draws_to_halve: (is_known && rest > 0.0)
            .then(|| times(within / rest))
            .flatten(),
        floor: smallest(between).filter(|_| is_known),
    }
}

/// The next whole number, if a person can pay for so many times as much.
fn times(exact: f64) -> Option<usize> {
    const MOST: f64 = 1_000.0;
    // What is a whole number but for its rounding is one.
    let whole = (exact - 1e-9).ceil();
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "it is between 0 and the most"
    )]
    let number = whole.clamp(0.0, MOST) as usize;
    (whole <= MOST).then_some(number)
}

/// How many standard errors a difference must have, by the hardest step of Holm's correction.
fn factor(freedom: usize, comparisons: usize) -> f64 {
    let level = LEVEL / comparisons.max(1) as f64;
    quantile_of_t(1.0 - level / 2.0, freedom) + quantile_of_t(POWER, freedom)
}

/// A row of the table: its cells, one a seed.
type Row<'a> = Vec<&'a Cell>;

fn rows(plan: &Plan) -> Vec<Row<'_>> {
    let mut places: BTreeMap<Vec<String>, usize> = BTreeMap::new();
    let mut rows: Vec<Row<'_>> = Vec::new();
    for cell in &plan.cells {
        let place = *places
            .entry(labels(cell, &plan.table.rows))
            .or_insert(rows.len());
        if place == rows.len() {
            rows.push(Vec::new());
        }
        // Points that need the same work share its jobs.
        if !rows[place].iter().any(|other| other.evals == cell.evals) {
            rows[place].push(cell);
        }
    }
    rows
}

/// The evaluations of two rows that the table compares.
type Compared<'a> = [Vec<&'a JobId>; 2];

/// The comparisons of a column: with the baseline, or of each two rows if there is none and they are few.
fn pairs<'a>(rows: &[Row<'a>], column: &Column) -> Vec<Compared<'a>> {
    let evals = |row: &Row<'a>| -> Vec<&'a JobId> {
        let jobs = row
            .iter()
            .filter_map(|cell| cell.evals.get(&column.benchmark));
        jobs.collect()
    };
    let baseline = |row: &Row<'a>| -> Vec<&'a JobId> {
        let jobs = row
            .iter()
            .filter_map(|cell| cell.baseline.get(&column.benchmark));
        jobs.collect()
    };
    let with_baseline = rows.iter().map(|row| [evals(row), baseline(row)]);
    let is_whole = |pair: &Compared<'_>| pair.iter().all(|jobs| !jobs.is_empty());
    let found: Vec<_> = with_baseline.filter(is_whole).collect();
    if !found.is_empty() {
        return found;
    }
    if rows.len() > MOST_PAIRED {
        return Vec::new();
    }
    let places = (0..rows.len()).flat_map(|one| (one + 1..rows.len()).map(move |two| (one, two)));
    let each_two = places.map(|(one, two)| [evals(&rows[one]), evals(&rows[two])]);
    each_two.filter(is_whole).collect()
}

/// The design of a column; nothing if its tasks are not on this machine.
fn design(
    plan: &Plan,
    rows: &[Row<'_>],
    column: &Column,
    seen: Option<EvalOutcome>,
) -> Option<Design> {
    let evals = |row: &Row<'_>| row.first()?.evals.get(&column.benchmark).cloned();
    let job = plan.job(&rows.iter().find_map(evals)?)?;
    let Task::Eval(settings) = &job.work.task else {
        return None;
    };
    let groups: Vec<String> = if let Some(outcome) = seen {
        let tasks = outcome.tasks.into_iter();
        tasks
            .map(|task| task.group.unwrap_or(task.task_id))
            .collect()
    } else {
        let descriptor = settings.descriptor().ok()?;
        let benchmark = descriptor.open(&job.work.data, &settings.options()).ok()?;
        let most = if settings.limit == 0 {
            usize::MAX
        } else {
            settings.limit
        };
        let tasks = benchmark.tasks().iter().take(most);
        tasks
            .map(|task| task.group.clone().unwrap_or_else(|| task.id.clone()))
            .collect()
    };
    let seeds = rows.iter().map(Vec::len).min().unwrap_or(1);
    Some(Design {
        tasks: groups.len(),
        groups: groups.iter().collect::<BTreeSet<_>>().len(),
        samples: settings.samples,
        seeds,
        pass_at: column.pass_at,
    })
    .filter(|design| design.tasks > 0)
}

#[cfg(test)]
mod tests {
    use super::{variance::of_pair, *};
    use crate::{
        plan::tests::fixture::plan_of,
        report::{
            sheet::Found,
            tests::fixture::{GOOD, WEAK, outcome},
        },
    };

    fn outcome_of(passed: &[usize]) -> EvalOutcome {
        match outcome(passed) {
            Found::Done(outcome) => outcome,
            Found::Hole(reason) => panic!("{reason}"),
        }
    }

    fn column(pass_at: usize) -> Column {
        Column {
            benchmark: "code_update_arena".to_owned(),
            measure: None,
            pass_at,
        }
    }

    /// Oracle: statsmodels 0.15.0, `TTestPower().solve_power(nobs=groups, alpha=0.05/comparisons, power=0.8)`, which
    /// has the exact distribution.
    #[test]
    fn the_smallest_difference_has_the_power_of_a_paired_t_test() {
        for (groups, comparisons, expected) in [
            (10, 1, 0.996_002),
            (14, 8, 1.119_421),
            (54, 4, 0.468_289),
            (164, 2, 0.242_617),
            (670, 12, 0.143_653),
        ] {
            let found = factor(groups - 1, comparisons) / (groups as f64).sqrt();
            let error: f64 = found / expected - 1.0;
            // 2 %: the t distribution in place of the one that is not central.
            assert!(error.abs() < 0.02, "{groups}: {found} {expected}");
        }
    }

    /// By hand: GRPO less the untrained model has the standard error of `a_complete_table`, 23.0 points over
    /// t(3) = 3.18245, whose square times 4 groups is between 0 and that of all parts.
    #[test]
    fn the_parts_of_a_finished_comparison_are_its_standard_error() {
        let (weak, good) = (outcome_of(&WEAK), outcome_of(&GOOD));
        let variance = of_pair(&[good], &[weak], &column(1)).unwrap();
        let design = Design {
            tasks: 8,
            groups: 4,
            samples: 2,
            seeds: 1,
            pass_at: 1,
        };
        let [between, within] = design.parts(variance);
        let expected = (0.25_f64 * 4.0 / 3.0).sqrt() / 8.0;
        // 1e-12: a handful of roundings.
        assert!(((between + within).sqrt() - expected).abs() < 1e-12);
        // By hand, two samples: p (1 - p) / (2 - 1) is 1/4 for each task of which one passed, 3 of each row; their sum
        // over 8² is 0.0234, more than the whole, which is the most that it can be.
        assert!((within - expected.powi(2)).abs() < 1e-12);
    }

    /// Oracle: the variance of the same rows, whose measure has the results of their tests.
    #[test]
    fn the_variance_of_a_measure_is_that_of_the_measure() {
        let expected = of_pair(&[outcome_of(&GOOD)], &[outcome_of(&WEAK)], &column(1));
        let measured = |passed: &[usize]| {
            let mut outcome = outcome_of(passed);
            for task in &mut outcome.tasks {
                let results = std::mem::replace(&mut task.passed, vec![true; 2]);
                task.measures.insert("follows".to_owned(), results);
            }
            outcome
        };
        let column = Column {
            measure: Some("follows".to_owned()),
            ..column(1)
        };
        let found = of_pair(&[measured(&GOOD)], &[measured(&WEAK)], &column);
        assert!(expected.is_some() && found == expected, "{found:?}");
        // What has no such measure says nothing of it.
        assert_eq!(
            of_pair(&[outcome_of(&GOOD)], &[outcome_of(&WEAK)], &column),
            None
        );
    }

    #[test]
    fn four_times_as_many_groups_halve_it_and_more_draws_only_what_is_luck() {
        let design = Design {
            tasks: 100,
            groups: 50,
            samples: 1,
            seeds: 1,
            pass_at: 1,
        };
        let of = |between: f64, within: f64| {
            let variance = Variance {
                between,
                within: Some(within),
            };
            of_design(&design, variance, 1, &column(1), String::new())
        };
        // By hand: parts 0 and 0.01; a quarter of the whole needs four times the draws.
        assert_eq!(of(0.0, 1.0).draws_to_halve, Some(4));
        // Parts 0.001 and 0.009: (0.009 / n) + 0.001 = 0.0025, n = 6.
        assert_eq!(of(0.05, 0.9).draws_to_halve, Some(6));
        // Parts 0.004 and 0.006: the first alone is more than a quarter.
        let stuck = of(0.2, 0.6);
        assert_eq!(stuck.draws_to_halve, None);
        let (floor, smallest) = (stuck.floor.unwrap(), stuck.smallest.unwrap());
        assert!((floor / smallest - 0.4_f64.sqrt()).abs() < 1e-12);
        let larger = Design {
            tasks: 400,
            groups: 200,
            ..design
        };
        let variance = Variance {
            between: 0.2,
            within: Some(0.6),
        };
        let halved = of_design(&larger, variance, 1, &column(1), String::new());
        // 2 %: the quantiles of t with 199 rather than 49 degrees of freedom.
        let ratio = halved.smallest.unwrap() / smallest;
        assert!((ratio - 0.5).abs() < 0.01, "{ratio}");
    }

    #[test]
    fn a_plan_without_results_has_a_stated_guess_and_one_without_comparisons_nothing() {
        let root = tempfile::tempdir().unwrap();
        let store = Store::new(root.path());
        let plan = plan_of("name = \"t\"\n");
        assert!(
            power(&plan, &store)
                .iter()
                .all(|one| one.basis.contains("a guess"))
        );
    }
}
