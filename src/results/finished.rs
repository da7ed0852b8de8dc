//! The finished jobs of a store, and which of them is most like another job.

use std::{
    collections::{BTreeMap, HashMap},
    fs,
    hash::{DefaultHasher, Hash as _, Hasher as _},
};

use rayon::prelude::*;
use serde_json::Value as Json;

use super::{JobDir, Store};
use crate::{
    digest::Digest,
    plan::{Difference, JobId, differences, leaves_of},
};

/// The identities of all finished jobs. Their outcomes are not read.
#[derive(Debug, Default)]
pub struct Finished {
    /// Of every job whose identity is on file, finished or not: jobs build on them.
    identities: HashMap<JobId, Json>,
    done: Vec<Known>,
    /// The places of some finished jobs of each class.
    classes: HashMap<Digest, Vec<usize>>,
}

/// With more finished jobs of a class, some of them say how long another one takes.
const MOST_ALIKE: usize = 100;

/// A finished job, ready to be compared.
#[derive(Debug)]
struct Known {
    id: JobId,
    /// A hash of each value with its path, sorted.
    leaves: Vec<u64>,
    /// A digest of what jobs have in common that take about the same time.
    class: Option<Digest>,
}

/// A finished job, and in what it differs from another one.
#[derive(Clone, Debug, PartialEq)]
pub struct Nearest {
    /// The finished job.
    pub job: JobId,
    /// In what the other job differs from it.
    pub differences: Vec<Difference>,
}

impl Finished {
    /// Reads the identities of the jobs in a store.
    pub fn read(store: &Store) -> Self {
        let jobs = store.root().join("jobs");
        let names = fs::read_dir(&jobs).into_iter().flatten().flatten();
        let names: Vec<String> = names
            .filter_map(|entry| entry.file_name().into_string().ok())
            .collect();
        let read = |name: String| {
            let dir = store.job_dir(&JobId(name));
            // A damaged file is one of a job that nothing is known of.
            let identity = dir.identity().ok().flatten()?;
            Some((dir.id(), identity, dir.outcome_path().is_file()))
        };
        let read: Vec<(JobId, Json, bool)> = names.into_par_iter().filter_map(read).collect();
        let mut done: Vec<JobId> = Vec::new();
        let mut identities = HashMap::new();
        for (id, identity, is_done) in read {
            done.extend(is_done.then(|| id.clone()));
            identities.insert(id, identity);
        }
        done.sort();
        let upstream = |id: &JobId| identities.get(id).cloned();
        let known = |id: JobId| {
            let identity = identities.get(&id)?;
            Some(Known {
                leaves: hashes(&leaves_of(identity, &upstream)),
                class: class(identity),
                id,
            })
        };
        let done: Vec<Known> = done.into_par_iter().filter_map(known).collect();
        let mut classes: HashMap<Digest, Vec<usize>> = HashMap::new();
        for (place, known) in done.iter().enumerate() {
            if let Some(class) = &known.class {
                classes.entry(class.clone()).or_default().push(place);
            }
        }
        // The names are digests: those of any stretch are a fair sample.
        for places in classes.values_mut() {
            places.truncate(MOST_ALIKE);
        }
        Self {
            identities,
            done,
            classes,
        }
    }

    /// How many jobs are finished.
    pub fn len(&self) -> usize {
        self.done.len()
    }

    /// Whether no job is finished.
    pub fn is_empty(&self) -> bool {
        self.done.is_empty()
    }

    /// The identity of a job of the store.
    pub fn identity(&self, id: &JobId) -> Option<&Json> {
        self.identities.get(id)
    }

    /// The values of a job by their paths, with those of the jobs that it builds on; `planned` are jobs that may
    /// not be on file.
    pub fn leaves(
        &self,
        identity: &Json,
        planned: &BTreeMap<&JobId, &Json>,
    ) -> BTreeMap<String, Json> {
        leaves_of(identity, &|id: &JobId| {
            let planned = planned.get(id).copied();
            planned.or_else(|| self.identities.get(id)).cloned()
        })
    }

    /// The finished job of the same kind that differs from a job in the fewest values; of several, the first by
    /// name. The job itself is no answer.
    pub fn nearest(&self, id: &JobId, leaves: &BTreeMap<String, Json>) -> Option<Nearest> {
        let others = self.done.iter();
        let nearest = closest(
            others.filter(|known| known.id != *id && known.id.kind() == id.kind()),
            leaves,
        )?;
        let theirs = leaves_of(self.identities.get(&nearest.id)?, &|id: &JobId| {
            self.identities.get(id).cloned()
        });
        Some(Nearest {
            job: nearest.id.clone(),
            differences: differences(leaves, &theirs),
        })
    }

    /// Finished jobs that take about the same time and room, the nearest first: they do the same with the same model
    /// on the same backend.
    pub fn alike(&self, identity: &Json, leaves: &BTreeMap<String, Json>) -> Vec<(&JobId, &Json)> {
        let places = class(identity).and_then(|class| self.classes.get(&class));
        let alike = places.into_iter().flatten();
        let mut alike: Vec<&Known> = alike.filter_map(|place| self.done.get(*place)).collect();
        let wanted = hashes(leaves);
        alike.sort_by_cached_key(|known| distance(&known.leaves, &wanted));
        let alike = alike.into_iter();
        let found = alike.filter_map(|known| Some((&known.id, self.identities.get(&known.id)?)));
        found.collect()
    }
}

/// The job with the fewest values that the leaves lack, or the reverse.
fn closest<'a>(
    jobs: impl Iterator<Item = &'a Known>,
    leaves: &BTreeMap<String, Json>,
) -> Option<&'a Known> {
    let wanted = hashes(leaves);
    jobs.min_by_key(|known| distance(&known.leaves, &wanted))
}

/// How many hashes are in one of two sorted lists alone.
fn distance(one: &[u64], other: &[u64]) -> usize {
    let (mut i, mut j, mut common) = (0, 0, 0);
    while let (Some(left), Some(right)) = (one.get(i), other.get(j)) {
        match left.cmp(right) {
            std::cmp::Ordering::Less => i += 1,
            std::cmp::Ordering::Greater => j += 1,
            std::cmp::Ordering::Equal => (i, j, common) = (i + 1, j + 1, common + 1),
        }
    }
    one.len() + other.len() - 2 * common
}

fn hashes(leaves: &BTreeMap<String, Json>) -> Vec<u64> {
    let hash = |(path, value): (&String, &Json)| {
        let mut hasher = DefaultHasher::new();
        path.hash(&mut hasher);
        value.to_string().hash(&mut hasher);
        hasher.finish()
    };
    let mut hashes: Vec<u64> = leaves.iter().map(hash).collect();
    hashes.sort_unstable();
    hashes
}

/// What two jobs have in common if one of them says how long the other takes: kind, model, backend, and the
/// benchmark or the algorithm. An evaluation may be of any training of that model.
fn class(identity: &Json) -> Option<Digest> {
    let model = identity.get("digests")?.get("model.base");
    let what = if let Some(train) = identity.get("train") {
        let algorithm = train.get("algorithm")?.as_object()?;
        Json::from(algorithm.keys().next()?.as_str())
    } else {
        let eval = identity.get("eval")?;
        Json::from(vec![
            eval.get("benchmark")?.clone(),
            eval.get("limit")?.clone(),
        ])
    };
    let scratch = identity.get("model")?.get("scratch");
    let remote = identity.get("model")?.get("remote");
    let parts = serde_json::json!([
        identity.get("kind"),
        model,
        scratch,
        remote,
        identity.get("backend"),
        what
    ]);
    Some(Digest::of_json(&parts))
}

impl JobDir {
    /// How long the attempts of a job took together; nothing if one of them was killed.
    pub fn seconds(&self) -> Option<u64> {
        let attempts = self.provenance().attempts;
        let lengths = attempts
            .iter()
            .map(|one| Some(one.ended?.since(one.started)));
        let total = lengths.sum::<Option<std::time::Duration>>()?;
        (!attempts.is_empty()).then_some(total.as_secs())
    }

    /// The bytes of all files in the folder.
    pub fn bytes(&self) -> u64 {
        bytes_below(self.path())
    }
}

/// The bytes of all files in a folder; links are not followed.
pub fn bytes_below(folder: &std::path::Path) -> u64 {
    let files = walkdir::WalkDir::new(folder).into_iter().flatten();
    let files = files.filter(|entry| entry.file_type().is_file());
    files
        .filter_map(|file| Some(file.metadata().ok()?.len()))
        .sum()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::{
        plan::{Job, tests::fixture::job},
        results::tests::fixture,
    };

    fn planned(id: &str, after: &[&str], identity: Json) -> Job {
        Job {
            identity,
            ..job(id, after)
        }
    }

    fn store(jobs: &[Job], unfinished: &[&str]) -> (tempfile::TempDir, Store) {
        let root = tempfile::tempdir().unwrap();
        let store = Store::new(root.path());
        for job in jobs {
            let dir = store.job_dir(&job.id);
            dir.prepare(job).unwrap();
            if !unfinished.contains(&job.id.0.as_str()) {
                dir.write_outcome(&fixture::outcome()).unwrap();
            }
        }
        (root, store)
    }

    fn training(peak: f64, steps: u64) -> Json {
        json!({"kind": "train", "train": {"lr": {"peak": peak}, "max_steps": steps}})
    }

    #[test]
    fn the_nearest_job_is_the_finished_one_of_the_kind_with_the_fewest_differences() {
        let jobs = [
            planned("train-1", &[], training(0.1, 10)),
            planned("train-2", &[], training(0.2, 20)),
            planned("train-3", &[], training(0.3, 30)),
            planned("eval-4", &[], training(0.1, 30)),
        ];
        let (_root, store) = store(&jobs, &["train-3"]);
        let finished = Finished::read(&store);
        let wanted = planned("train-5", &[], training(0.1, 30));

        let leaves = finished.leaves(&wanted.identity, &BTreeMap::new());
        let nearest = finished.nearest(&wanted.id, &leaves).unwrap();

        assert_eq!(finished.len(), 3);
        assert_eq!(nearest.job.0, "train-1");
        let words: Vec<String> = nearest
            .differences
            .iter()
            .map(ToString::to_string)
            .collect();
        assert_eq!(words, ["train.max_steps 10 -> 30"]);
        // A job is not its own neighbour.
        let leaves = finished.leaves(&jobs[0].identity, &BTreeMap::new());
        assert_eq!(
            finished.nearest(&jobs[0].id, &leaves).unwrap().job.0,
            "train-2"
        );
    }

    #[test]
    fn evaluations_are_near_if_their_trainings_are() {
        let eval = |id: &str| json!({"kind": "eval", "start": {"job": id}, "seed": 1});
        let jobs = [
            planned("train-1", &[], training(0.1, 10)),
            planned("train-2", &[], training(0.2, 20)),
            planned("eval-1", &["train-1"], eval("train-1")),
            planned("eval-2", &["train-2"], eval("train-2")),
        ];
        let (_root, store) = store(&jobs, &[]);
        let finished = Finished::read(&store);
        let plan = [
            planned("train-3", &[], training(0.2, 21)),
            planned("eval-3", &["train-3"], eval("train-3")),
        ];

        let planned = plan.iter().map(|job| (&job.id, &job.identity)).collect();
        let leaves = finished.leaves(&plan[1].identity, &planned);
        let nearest = finished.nearest(&plan[1].id, &leaves).unwrap();

        assert_eq!(nearest.job.0, "eval-2");
        let words: Vec<String> = nearest
            .differences
            .iter()
            .map(ToString::to_string)
            .collect();
        assert_eq!(words, ["its training: train.max_steps 20 -> 21"]);
    }

    #[test]
    fn distances_count_what_is_in_one_list_alone() {
        assert_eq!(distance(&[1, 2, 4], &[2, 3, 4, 5]), 3);
        assert_eq!(distance(&[], &[1]), 1);
    }

    #[test]
    fn only_jobs_that_do_the_same_say_how_long_another_takes() {
        let eval = |benchmark: &str, seed: u64| {
            json!({"kind": "eval", "eval": {"benchmark": benchmark, "limit": 0}, "model": {},
                   "digests": {"model.base": "aa"}, "backend": "cpu", "seed": seed})
        };
        let jobs = [planned("eval-1", &[], eval("one", 1))];
        let (_root, store) = store(&jobs, &[]);
        let finished = Finished::read(&store);
        let alike = |identity: &Json| {
            let leaves = finished.leaves(identity, &BTreeMap::new());
            let alike = finished.alike(identity, &leaves);
            alike.first().map(|(id, _)| id.0.clone())
        };

        assert_eq!(alike(&eval("one", 2)).as_deref(), Some("eval-1"));
        assert_eq!(alike(&eval("two", 1)), None);
    }
}
