//! The smallest difference that an experiment can show, as `recode plan` prints it.

use super::output::count;
use crate::report::{Power, percent};

/// Two lines for each column; nothing if the table compares nothing.
pub(super) fn lines(all: &[Power]) -> Vec<String> {
    let Some(first) = all.first() else {
        return Vec::new();
    };
    let correction = match first.comparisons {
        1 => String::new(),
        count => format!(" with Holm's correction for {count} changes"),
    };
    let mut lines = vec![format!(
        "smallest difference that is found in 4 of 5 such experiments, at 5 %{correction}:"
    )];
    for (place, power) in all.iter().enumerate() {
        let design = format!(
            "{} of {}, {}, {}",
            count(power.tasks, "task"),
            count(power.groups, "group"),
            count(power.samples, "sample"),
            count(power.seeds, "seed"),
        );
        let smallest = match power.smallest {
            Some(points) if points >= 1.0 => "none".to_owned(),
            Some(points) => format!("{} points", percent(points)),
            None => "not known, from a single group".to_owned(),
        };
        let (benchmark, metric) = (&power.benchmark, &power.metric);
        lines.push(format!("  {benchmark} {metric}: {smallest}; {design}"));
        if power.smallest.is_some() {
            lines.push(format!("    {}", halving(power)));
        }
        // Said once of columns that have the same.
        let next = all.get(place + 1).map(|next| &next.basis);
        if next != Some(&power.basis) {
            lines.push(format!("  variance: {}", power.basis));
        }
    }
    lines
}

/// What would halve it.
fn halving(power: &Power) -> String {
    let groups = power.groups_to_halve;
    let tasks = format!("halved by {groups} times as many groups of tasks");
    match (power.draws_to_halve, power.floor) {
        (Some(times), _) => format!("{tasks}, or by {times} times as many samples or seeds"),
        (None, Some(floor)) if floor >= 1.0 => {
            format!("{tasks}; more samples or seeds do not help")
        }
        (None, Some(floor)) => format!(
            "{tasks}; more samples or seeds leave at least {} points",
            percent(floor)
        ),
        (None, None) => format!("{tasks}; single samples do not show what more of them would do"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn power(draws_to_halve: Option<usize>, floor: Option<f64>) -> Power {
        Power {
            benchmark: "mini_arena".to_owned(),
            metric: "pass@1".to_owned(),
            tasks: 168,
            groups: 14,
            samples: 5,
            seeds: 1,
            comparisons: 4,
            smallest: Some(0.091),
            basis: "that of 1 finished comparison".to_owned(),
            groups_to_halve: 4,
            draws_to_halve,
            floor,
        }
    }

    #[test]
    fn the_lines_say_what_would_halve_the_difference() {
        let all = [
            power(Some(7), Some(0.03)),
            power(None, Some(0.06)),
            power(None, None),
        ];
        insta::assert_snapshot!(lines(&all).join("\n"), @"
        smallest difference that is found in 4 of 5 such experiments, at 5 % with Holm's correction for 4 changes:
          mini_arena pass@1: 9.1 points; 168 tasks of 14 groups, 5 samples, 1 seed
            halved by 4 times as many groups of tasks, or by 7 times as many samples or seeds
          mini_arena pass@1: 9.1 points; 168 tasks of 14 groups, 5 samples, 1 seed
            halved by 4 times as many groups of tasks; more samples or seeds leave at least 6.0 points
          mini_arena pass@1: 9.1 points; 168 tasks of 14 groups, 5 samples, 1 seed
            halved by 4 times as many groups of tasks; single samples do not show what more of them would do
          variance: that of 1 finished comparison
        ");
        assert!(lines(&[]).is_empty());
    }
}
