//! Which jobs become tasks of which array, and what each array waits for.

use std::collections::BTreeMap;

use super::client::TaskId;
use crate::{
    plan::{Job, JobId},
    spec::Needs,
};

/// What a task asks a node for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Shape {
    /// The nodes.
    pub(super) nodes: usize,
    /// The GPUs of each node.
    pub(super) gpus: usize,
}

/// What an array waits for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Wait {
    /// Nothing.
    Nothing,
    /// Each task waits for the task of the same index of an array of this submission.
    Array(usize),
    /// Each task waits for the task of the same index of an array that was submitted before.
    Before(u64),
    /// The one task waits for some tasks: arrays of this submission with their indices, and earlier tasks.
    Tasks(Vec<(usize, u32)>, Vec<TaskId>),
}

/// An array to submit.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Array<'a> {
    pub(super) shape: Shape,
    pub(super) wait: Wait,
    /// The jobs by their index.
    pub(super) tasks: BTreeMap<u32, &'a Job>,
}

/// Puts jobs into arrays, each after those that it waits for.
///
/// `jobs` are to be submitted, in the order of a plan. `queued` has the tasks of those jobs that are in the queue
/// already. An index is below `limit`. A job that needs jobs of neither kind needs nothing that is not done.
pub(super) fn arrays<'a>(
    jobs: &[&'a Job],
    queued: &BTreeMap<JobId, TaskId>,
    (needs, [ranks, nodes]): (&Needs, [usize; 2]),
    limit: u32,
) -> Vec<Array<'a>> {
    let mut arrays: Vec<Array<'a>> = Vec::new();
    let mut places: BTreeMap<&JobId, (usize, u32)> = BTreeMap::new();
    for job in jobs {
        let here: Vec<(usize, u32)> = job
            .after
            .iter()
            .filter_map(|id| places.get(id).copied())
            .collect();
        let before: Vec<TaskId> = job
            .after
            .iter()
            .filter(|id| !places.contains_key(id))
            .filter_map(|id| queued.get(id).copied())
            .collect();
        let (wait, index) = match (here.as_slice(), before.as_slice()) {
            ([], []) => (Wait::Nothing, None),
            ([(array, index)], []) => (Wait::Array(*array), Some(*index)),
            ([], [(number, index)]) => (Wait::Before(*number), Some(*index)),
            _ => (Wait::Tasks(here, before), Some(0)),
        };
        let ranks = job.work.ranks(ranks);
        let nodes = nodes.clamp(1, ranks);
        let shape = Shape {
            nodes,
            gpus: job.work.gpus(needs.gpus, ranks / nodes),
        };
        let fits = |array: &Array<'_>| {
            let is_free = match index {
                Some(index) => !array.tasks.contains_key(&index),
                None => array.tasks.len() < limit as usize,
            };
            is_free && array.shape == shape && array.wait == wait
        };
        let place = arrays.iter().position(fits).unwrap_or_else(|| {
            arrays.push(Array {
                shape: shape.clone(),
                wait: wait.clone(),
                tasks: BTreeMap::new(),
            });
            arrays.len() - 1
        });
        let tasks = &mut arrays[place].tasks;
        let index = index.unwrap_or_else(|| tasks.keys().last().map_or(0, |last| last + 1));
        tasks.insert(index, job);
        places.insert(&job.id, (place, index));
    }
    arrays
}

/// Indices as `sbatch` takes them: `0-3,7`.
pub(super) fn ranges(indices: impl IntoIterator<Item = u32>) -> String {
    let mut ranges: Vec<(u32, u32)> = Vec::new();
    for index in indices {
        match ranges.last_mut() {
            Some((_, last)) if *last + 1 == index => *last = index,
            _ => ranges.push((index, index)),
        }
    }
    let words = ranges.iter().map(|(first, last)| {
        if first == last {
            first.to_string()
        } else {
            format!("{first}-{last}")
        }
    });
    words.collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::tests::fixture::job;

    fn needs() -> Needs {
        Needs {
            gpu_mem: "0GiB".to_owned(),
            gpus: None,
            cpus: 1,
            memory: None,
            time: None,
        }
    }

    fn in_words(arrays: &[Array<'_>]) -> Vec<String> {
        let words = |array: &Array<'_>| {
            let tasks = array
                .tasks
                .iter()
                .map(|(index, job)| format!("{index}={}", job.id));
            format!("{:?}: {}", array.wait, tasks.collect::<Vec<_>>().join(" "))
        };
        arrays.iter().map(words).collect()
    }

    #[test]
    fn an_evaluation_has_the_index_of_its_own_training() {
        let jobs = [
            job("train-a", &[]),
            job("train-b", &[]),
            job("eval-a1", &["train-a"]),
            job("eval-a2", &["train-a"]),
            job("eval-b1", &["train-b"]),
            job("eval-base", &[]),
        ];
        let jobs: Vec<&Job> = jobs.iter().collect();

        assert_eq!(
            in_words(&arrays(&jobs, &BTreeMap::new(), (&needs(), [1, 1]), 1001)),
            [
                "Nothing: 0=train-a 1=train-b 2=eval-base",
                "Array(0): 0=eval-a1 1=eval-b1",
                "Array(0): 0=eval-a2",
            ]
        );
    }

    #[test]
    fn jobs_of_an_earlier_submission_are_waited_for_by_their_numbers() {
        let jobs = [
            job("eval-a", &["train-a"]),
            job("eval-done", &["train-done"]),
            job("train-c", &["train-a"]),
            job("eval-both", &["train-a", "train-c"]),
        ];
        let jobs: Vec<&Job> = jobs.iter().collect();
        let queued = BTreeMap::from([(JobId("train-a".to_owned()), (77, 5))]);

        assert_eq!(
            in_words(&arrays(&jobs, &queued, (&needs(), [1, 1]), 1001)),
            [
                "Before(77): 5=eval-a",
                "Nothing: 0=eval-done",
                "Before(77): 5=train-c",
                "Tasks([(2, 5)], [(77, 5)]): 0=eval-both",
            ]
        );
    }

    #[test]
    fn an_array_is_no_longer_than_the_cluster_allows() {
        let jobs: Vec<Job> = (0..5).map(|n| job(&format!("eval-{n}"), &[])).collect();
        let jobs: Vec<&Job> = jobs.iter().collect();
        let arrays = arrays(&jobs, &BTreeMap::new(), (&needs(), [1, 1]), 2);

        let sizes: Vec<usize> = arrays.iter().map(|array| array.tasks.len()).collect();
        assert_eq!(sizes, [2, 2, 1]);
    }

    #[test]
    fn indices_are_written_as_ranges() {
        assert_eq!(ranges([0, 1, 2, 5, 7, 8]), "0-2,5,7-8");
        assert_eq!(ranges([4]), "4");
    }
}
