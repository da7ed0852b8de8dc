//! The completions that trainings have kept, with the parts of their rewards.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::File,
    io::{self, BufRead as _, BufReader},
    path::Path,
};

use serde::{Deserialize, Serialize};

use crate::{
    disk::DiskError,
    plan::{JobId, Plan},
    report::{ReportError, gather::labels},
    results::Store,
    train::{RewardRecord, SampleRecord},
};

use super::parts::{Parts, Place};

/// So many steps of a training are shown, spread evenly: all completions of a long one are gigabytes.
const MOST_STEPS: usize = 20;

#[derive(Debug, Serialize)]
pub(super) struct TrainingData {
    label: String,
    seed: u64,
    job: JobId,
    /// How many steps have completions in the log.
    of: usize,
    steps: Vec<StepData>,
}

#[derive(Debug, Serialize)]
struct StepData {
    step: usize,
    #[serde(flatten)]
    place: Place,
}

/// The completions of a step.
#[derive(Debug, Serialize)]
struct StepText {
    groups: Vec<GroupText>,
}

/// The completions of one prompt.
#[derive(Debug, Serialize)]
struct GroupText {
    row: String,
    prompt: String,
    samples: Vec<SampleText>,
}

#[derive(Debug, Serialize)]
struct SampleText {
    text: String,
    tokens: usize,
    is_truncated: bool,
    reward: RewardRecord,
    advantage: Option<f64>,
}

/// The finished trainings that have kept completions.
pub(super) fn trainings(
    plan: &Plan,
    store: &Store,
    parts: &mut Parts,
) -> Result<Vec<TrainingData>, ReportError> {
    let mut seen = BTreeSet::new();
    let mut trainings = Vec::new();
    for cell in &plan.cells {
        let Some(job) = cell.train.as_ref().filter(|job| seen.insert(*job)) else {
            continue;
        };
        let dir = store.job_dir(job);
        if dir.outcome().is_none() {
            continue;
        }
        let log = dir.samples();
        let all = steps_of(&log)?;
        let mut steps = Vec::new();
        for (step, text) in read(&log, &spread(&all))? {
            let place = parts.add_step(&text)?;
            steps.push(StepData { step, place });
        }
        if !steps.is_empty() {
            trainings.push(TrainingData {
                label: labels(cell, &plan.table.rows).join(" "),
                seed: cell.seed,
                job: job.clone(),
                of: all.len(),
                steps,
            });
        }
    }
    Ok(trainings)
}

/// At most [`MOST_STEPS`] of the steps, the first and the last among them.
fn spread(steps: &BTreeSet<usize>) -> BTreeSet<usize> {
    let steps: Vec<usize> = steps.iter().copied().collect();
    let last = steps.len().saturating_sub(1);
    if steps.len() <= MOST_STEPS {
        return steps.into_iter().collect();
    }
    let places = (0..MOST_STEPS).map(|number| number * last / (MOST_STEPS - 1));
    places.map(|place| steps[place]).collect()
}

/// The lines of a log; none if there is no such file. A log may be too large to be read as a whole.
fn lines(path: &Path) -> Result<Vec<io::Lines<BufReader<File>>>, ReportError> {
    match File::open(path) {
        Ok(file) => Ok(vec![BufReader::new(file).lines()]),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(DiskError::read(path)(error).into()),
    }
}

/// The steps that have a line in the log.
fn steps_of(path: &Path) -> Result<BTreeSet<usize>, ReportError> {
    #[derive(Deserialize)]
    struct Step {
        step: usize,
    }
    let lines = lines(path)?.into_iter().flatten().map_while(Result::ok);
    let steps = lines.filter_map(|line| serde_json::from_str::<Step>(&line).ok());
    Ok(steps.map(|line| line.step).collect())
}

/// The completions of these steps, by prompt. A line that is damaged is left out.
fn read(path: &Path, steps: &BTreeSet<usize>) -> Result<BTreeMap<usize, StepText>, ReportError> {
    let mut texts: BTreeMap<usize, StepText> = BTreeMap::new();
    for line in lines(path)?.into_iter().flatten().map_while(Result::ok) {
        let Ok(sample) = serde_json::from_str::<SampleRecord>(&line) else {
            continue;
        };
        if !steps.contains(&sample.step) {
            continue;
        }
        let text = texts
            .entry(sample.step)
            .or_insert(StepText { groups: Vec::new() });
        // The completions of a prompt follow one another.
        let is_next = |group: &GroupText| group.row != sample.row || group.prompt != sample.prompt;
        if text.groups.last().is_none_or(is_next) {
            text.groups.push(GroupText {
                row: sample.row,
                prompt: sample.prompt,
                samples: Vec::new(),
            });
        }
        if let Some(group) = text.groups.last_mut() {
            group.samples.push(SampleText {
                text: sample.completion,
                tokens: sample.tokens,
                is_truncated: sample.is_truncated,
                reward: sample.reward,
                advantage: sample.advantage,
            });
        }
    }
    Ok(texts)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use serde_json::json;

    use super::*;

    #[test]
    fn steps_are_spread_evenly_with_both_ends() {
        let all: BTreeSet<usize> = (1..=400).collect();
        let some = spread(&all);
        assert_eq!(
            (some.len(), some.first(), some.last()),
            (20, Some(&1), Some(&400))
        );
        let few: BTreeSet<usize> = [3, 5].into();
        assert_eq!(spread(&few), few);
    }

    #[test]
    fn completions_are_grouped_by_prompt_and_damage_is_left_out() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("samples.jsonl");
        let line = |step: usize, row: &str| {
            json!({"step": step, "index": 0, "row": row, "prompt": "p", "completion": "c", "tokens": 1,
                "is_truncated": false, "advantage": null,
                "reward": {"total": 1.0, "format": 1.0, "correctness": 0.0, "overlong": 0.0}})
            .to_string()
        };
        let text = [
            line(1, "a"),
            line(1, "a"),
            line(1, "b"),
            line(2, "a"),
            "{\"step\": 2".into(),
        ];
        fs::write(&path, text.join("\n")).unwrap();

        assert_eq!(steps_of(&path).unwrap(), [1, 2].into());
        let found = read(&path, &[1].into()).unwrap();

        let groups: Vec<_> = found[&1]
            .groups
            .iter()
            .map(|group| (group.row.as_str(), group.samples.len()))
            .collect();
        assert_eq!(groups, [("a", 2), ("b", 1)]);
        assert_eq!(found.len(), 1);
        assert!(read(Path::new("none"), &[1].into()).unwrap().is_empty());
    }
}
