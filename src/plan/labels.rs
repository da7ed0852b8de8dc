//! Labels of jobs: what they do, in a few words that distinguish them.

use std::collections::{BTreeMap, BTreeSet};

use rayon::prelude::*;
use serde_json::Value as Json;

use super::{Job, JobId, difference::leaves_of};

/// The settings that are named of jobs whose words are the same.
const MOST_SETTINGS: usize = 3;

/// The longest value that is written out.
const MOST_CHARACTERS: usize = 16;

/// What each job does. Jobs that have the same words in [`Job::what`] also have the settings in which they
/// differ, such as `lr.peak 0.001`; so have the jobs that build on them.
pub fn labels(jobs: &[&Job]) -> Vec<String> {
    let words: Vec<String> = jobs.iter().map(|job| job.what()).collect();
    let differences = differences(jobs, &words);
    let by_job: BTreeMap<&JobId, &String> =
        jobs.iter().map(|job| &job.id).zip(&differences).collect();
    let rows = jobs.iter().zip(words).zip(&differences);
    rows.map(|((job, words), difference)| {
        let upstream = job.after.iter().filter_map(|id| by_job.get(id));
        let upstream: String = upstream.map(|difference| difference.as_str()).collect();
        format!("{words}{upstream}{difference}")
    })
    .collect()
}

/// The settings in which each job differs from those with the same words.
fn differences(jobs: &[&Job], words: &[String]) -> Vec<String> {
    let mut differences = vec![String::new(); jobs.len()];
    let mut groups: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (place, words) in words.iter().enumerate() {
        groups.entry(words).or_default().push(place);
    }
    for places in groups.values().filter(|places| places.len() > 1) {
        let settings: Vec<BTreeMap<String, String>> = places
            .par_iter()
            .map(|place| {
                let leaves = leaves_of(&jobs[*place].identity, &|_| None);
                let leaves = leaves.into_iter();
                leaves.map(|(path, value)| (path, short(&value))).collect()
            })
            .collect();
        let paths: BTreeSet<&String> = settings.iter().flat_map(BTreeMap::keys).collect();
        let differ = |path: &&&String| {
            let values: BTreeSet<_> = settings.iter().map(|one| one.get(**path)).collect();
            values.len() > 1
        };
        let paths: Vec<&&String> = paths.iter().filter(differ).take(MOST_SETTINGS).collect();
        for (place, settings) in places.iter().zip(&settings) {
            for path in &paths {
                let value = settings.get(**path).map_or("-", String::as_str);
                let path = path.strip_prefix("train.").unwrap_or(path);
                differences[*place].extend([" ", path, " ", value]);
            }
        }
    }
    differences
}

/// The beginning of a value.
fn short(value: &Json) -> String {
    let text = value
        .as_str()
        .map_or_else(|| value.to_string(), str::to_owned);
    text.chars().take(MOST_CHARACTERS).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::plan::tests::fixture::job;

    #[test]
    fn jobs_that_differ_in_a_setting_alone_are_named_with_it() {
        let with = |peak: f64| Job {
            identity: json!({"recipe": 1, "train": {"lr": {"peak": peak, "warmup_steps": 2}}}),
            ..job("eval-1", &[])
        };
        let (low, mut high) = (with(1e-4), with(2e-4));
        high.id = JobId("eval-2".into());
        let (other, on_high) = (job("eval-3", &["train-1"]), job("eval-4", &["eval-2"]));

        assert_eq!(
            labels(&[&low, &high, &other, &on_high]),
            [
                format!("{} lr.peak 0.0001", low.what()),
                format!("{} lr.peak 0.0002", low.what()),
                other.what(),
                format!("{} lr.peak 0.0002", on_high.what()),
            ]
        );
        assert_eq!(labels(&[&low]), [low.what()]);
    }
}
