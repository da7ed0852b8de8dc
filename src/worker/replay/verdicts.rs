//! Judging samples of an evaluation again.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    sync::atomic::AtomicBool,
};

use super::{Elsewhere, Part, WorkerError, replay};
use crate::{
    disk::JsonLines,
    eval::{
        EvalOutcome, Judgement, SampleRecord, Submission, Text, benchmark::Benchmark, judge_each,
    },
    plan::Task,
    results::{Finding, JobDir},
    seed::Stream,
    worker::measuring::start_pool,
};

/// Judges so many random samples of an evaluation again, and makes the outcome of all samples again.
pub fn replay_verdicts(
    dir: &JobDir,
    from: &Elsewhere,
    count: usize,
    scratch: &Path,
    stream: Stream,
) -> Vec<Finding> {
    replay(dir, from, scratch, stream, |part| again(part, count))
}

fn again(part: &mut Part<'_>, count: usize) -> Result<Vec<Finding>, WorkerError> {
    let id = part.dir.id();
    let Task::Eval(settings) = &part.job.work.task else {
        return Ok(vec![Finding::unchecked(id, "it is no evaluation")]);
    };
    let outcome = part.dir.outcome();
    let Some(outcome) = outcome.as_ref().and_then(|outcome| outcome.as_eval()) else {
        return Ok(vec![Finding::unchecked(id, "it is not done")]);
    };
    let descriptor = settings.descriptor()?;
    let benchmark = descriptor.open(&part.job.work.data, &settings.options())?;
    let mut samples: Vec<SampleRecord> = JsonLines::read(&part.dir.samples())?;
    if samples.is_empty() {
        return Ok(vec![Finding::unchecked(id, "it has no samples")]);
    }
    // As the outcome was made: the completions of a remote model are logged as they come.
    if part.job.work.remote().is_some() {
        samples.sort_by_key(|sample| sample.chunk);
    }
    let mut findings = vec![of_samples(&id.0, &*benchmark, &samples, outcome)];
    let mut chosen = BTreeSet::new();
    let most = count.min(samples.len());
    while chosen.len() < most {
        chosen.insert(part.stream.below(samples.len()));
    }
    let chosen: Vec<&SampleRecord> = chosen
        .iter()
        .filter_map(|place| samples.get(*place))
        .collect();
    findings.extend(judged(part, &*benchmark, &chosen)?);
    Ok(findings)
}

/// The outcome that follows from the samples, without what a person reads about it.
fn of_samples(
    id: &str,
    benchmark: &dyn Benchmark,
    samples: &[SampleRecord],
    outcome: &EvalOutcome,
) -> Finding {
    let again = EvalOutcome {
        warnings: outcome.warnings.clone(),
        ..EvalOutcome::of_samples(benchmark, samples)
    };
    if again == *outcome {
        Finding::same(
            id,
            "its tasks, groups and figures are those of the benchmark and the samples",
        )
    } else {
        Finding::differs(
            id,
            "its tasks, groups or figures are not those of the benchmark and the samples",
        )
    }
}

fn judged(
    part: &Part<'_>,
    benchmark: &dyn Benchmark,
    chosen: &[&SampleRecord],
) -> Result<Vec<Finding>, WorkerError> {
    let id = part.dir.id();
    let Task::Eval(settings) = &part.job.work.task else {
        return Ok(Vec::new());
    };
    let pool = start_pool(settings, 1)?;
    let task_of = |sample: &SampleRecord| {
        let mut tasks = benchmark.tasks().iter();
        tasks.find(|task| task.id == sample.task_id)
    };
    let known = chosen
        .iter()
        .filter_map(|sample| Some((task_of(sample)?, *sample)));
    let known: Vec<_> = known.collect();
    let submissions: Vec<Submission<'_>> = known
        .iter()
        .map(|(task, sample)| Submission {
            task,
            text: Text::Answer(&sample.completion),
        })
        .collect();
    let mut found: BTreeMap<usize, Result<Judgement, String>> = BTreeMap::new();
    let never = AtomicBool::new(false);
    judge_each(benchmark, &submissions, &pool, &never, |place, result| {
        found.insert(place, result.map_err(|error| error.to_string()));
    });
    let mut findings = Vec::new();
    let mut agreed = 0;
    for ((_, sample), result) in known.iter().zip(found.into_values()) {
        let name = format!("sample {} of `{}`", sample.index, sample.task_id);
        match compare(sample.judgement.as_ref(), result) {
            Ok(()) => agreed += 1,
            Err(Doubt::Differs(what)) => {
                findings.push(Finding::differs(
                    &id,
                    format!("{name}, judged again: {what}"),
                ));
            }
            Err(Doubt::Unchecked(what)) => {
                findings.push(Finding::unchecked(&id, format!("{name}: {what}")));
            }
        }
    }
    let lost = chosen.len() - known.len();
    if lost > 0 {
        let what = format!("{lost} samples are of tasks that the benchmark does not have");
        findings.push(Finding::differs(&id, what));
    }
    if agreed > 0 {
        let what = format!("{agreed} samples judged again, with the same verdicts");
        findings.push(Finding::same(&id, what));
    }
    Ok(findings)
}

/// Why a judgement is not confirmed.
#[derive(Debug, PartialEq)]
enum Doubt {
    Differs(String),
    Unchecked(String),
}

/// Messages are not compared, because they may contain a memory address.
fn compare(recorded: Option<&Judgement>, found: Result<Judgement, String>) -> Result<(), Doubt> {
    let unchecked = |what: &str| Err(Doubt::Unchecked(what.to_owned()));
    let Some(recorded) = recorded else {
        return unchecked("the judge had failed on it");
    };
    let found = match found {
        Ok(found) => found,
        Err(error) => return Err(Doubt::Unchecked(format!("the judge fails on it: {error}"))),
    };
    let of = |judgement: &Judgement| {
        (
            judgement.passed,
            judgement.verdict.name(),
            judgement.tests.clone(),
            judgement.measures.clone(),
        )
    };
    if of(recorded) == of(&found) {
        return Ok(());
    }
    if !(recorded.is_lasting() && found.is_lasting()) {
        return unchecked("it ran into a time limit or was killed, which depends on the machine");
    }
    let (was, is) = (recorded.verdict.name(), found.verdict.name());
    Err(Doubt::Differs(if was == is {
        "other tests pass".to_owned()
    } else {
        format!("`{is}`, and was `{was}`")
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sandbox::Verdict;

    #[test]
    fn a_verdict_that_depends_on_the_machine_is_no_difference() {
        let of = |verdicts: &[Verdict]| Judgement::of_tests("tests", verdicts);
        let (pass, fail, late) = (
            of(&[Verdict::Pass]),
            of(&[Verdict::Assertion {
                exception: "AssertionError".to_owned(),
                message: "1 != 2".to_owned(),
            }]),
            of(&[Verdict::Timeout]),
        );
        assert_eq!(compare(Some(&pass), Ok(pass.clone())), Ok(()));
        let flipped = compare(Some(&pass), Ok(fail.clone()));
        assert_eq!(
            flipped,
            Err(Doubt::Differs("`assertion`, and was `pass`".to_owned()))
        );
        for unsure in [
            compare(Some(&pass), Ok(late.clone())),
            compare(Some(&late), Ok(fail)),
            compare(None, Ok(pass.clone())),
            compare(Some(&pass), Err("no Python".to_owned())),
        ] {
            assert!(matches!(unsure, Err(Doubt::Unchecked(_))), "{unsure:?}");
        }
    }
}
