//! The summary that `recode judge` prints.

use std::collections::BTreeMap;

use serde::Serialize;

use super::session::Outcome;
use crate::eval::{Sample, Tally};

/// Samples that were cut off at the model's token limit, which is a different reason to fail than a
/// wrong answer.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub(super) struct Truncated {
    /// Samples for which the file says whether they were cut off.
    #[serde(rename = "told")]
    known: usize,
    /// Samples that were cut off.
    samples: usize,
    /// Those of them that passed.
    passed: usize,
}

impl Truncated {
    /// Counts truncated samples; none if no sample says whether it is.
    pub(super) fn count(samples: &[Sample], judged: &[Outcome]) -> Option<Self> {
        let mut truncated = Self::default();
        for (sample, outcome) in samples.iter().zip(judged) {
            truncated.known += usize::from(sample.is_truncated.is_some());
            if sample.is_truncated == Some(true) {
                truncated.samples += 1;
                let has_passed = outcome.as_ref().is_ok_and(|judgement| judgement.passed);
                truncated.passed += usize::from(has_passed);
            }
        }
        (truncated.known > 0).then_some(truncated)
    }
}

/// The summary as lines.
pub(super) fn table(name: &str, tally: &Tally, truncated: Option<Truncated>) -> String {
    let mut lines = vec![format!(
        "{name}: {} samples of {} of {} tasks",
        tally.samples, tally.tasks_with_samples, tally.tasks
    )];
    lines.extend(rates(&tally.pass_at_k, ""));
    for (measure, values) in &tally.measures {
        lines.extend(rates(values, &format!("{measure} ")));
    }
    for (verdict, count) in &tally.verdicts {
        lines.push(format!("  {verdict:<16}{count:6}"));
    }
    if tally.failures > 0 {
        lines.push(format!("  {:<16}{:6}", "not judged", tally.failures));
    }
    if let Some(Truncated {
        known,
        samples,
        passed,
    }) = truncated
    {
        let of = format!("of {known} that record it; {passed} passed nevertheless");
        lines.push(format!("  {:<16}{samples:6} {of}", "truncated"));
    }
    lines.join("\n")
}

/// A line for each rate, from `pass@1` on.
fn rates(rates: &BTreeMap<String, f64>, prefix: &str) -> Vec<String> {
    let mut rates: Vec<_> = rates.iter().collect();
    rates.sort_by_key(|(name, _)| (name.len(), name.as_str()));
    let line = |(name, rate): (&String, &f64)| {
        format!("  {:<16}{:6.2} %", format!("{prefix}{name}"), rate * 100.0)
    };
    rates.into_iter().map(line).collect()
}
