//! The folder of a training's checkpoints.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
};

use burn::tensor::Device;

use crate::{
    digest::Digest,
    disk::{
        atomic::{self, Flush},
        folders,
    },
    train::error::TrainError,
};

use super::checkpoint::{Checkpoint, seal};

/// The prefix of a folder that is not whole yet.
const UNFINISHED: &str = ".unfinished-";

/// The folder of a training's checkpoints.
#[derive(Debug)]
pub(in crate::train) struct Store {
    folder: PathBuf,
    keep: usize,
}

impl Store {
    /// A store that keeps the last `keep` checkpoints, and the best.
    pub(in crate::train) fn new(folder: &Path, keep: usize) -> Self {
        Self {
            folder: folder.to_owned(),
            keep: keep.max(1),
        }
    }

    /// Writes a checkpoint whole or not at all, and removes those that need not be kept.
    pub(in crate::train) fn save(&self, checkpoint: &Checkpoint) -> Result<(), TrainError> {
        let name = name(checkpoint.progress.step);
        let path = self.folder.join(&name);
        let failed = |source| TrainError::WriteCheckpoint {
            path: path.clone(),
            source,
        };
        let unfinished = self.folder.join(format!("{UNFINISHED}{name}"));
        folders::create(&self.folder).map_err(failed)?;
        remove(&unfinished).map_err(failed)?;
        fs::create_dir(&unfinished).map_err(failed)?;
        let written = checkpoint.write(&unfinished).and_then(|()| {
            seal(&unfinished)
                .and_then(|()| {
                    remove(&path)?;
                    atomic::rename(&unfinished, &path, Flush::Now)
                })
                .map_err(failed)
        });
        if written.is_err() {
            // The disk may be full, and half a checkpoint would keep it full. If this fails too,
            // the first error is the one to report.
            let _ = remove(&unfinished);
        }
        written?;
        let best = checkpoint.progress.best.map(|best| best.step);
        self.prune(best).map_err(failed)
    }

    /// The newest usable checkpoint of the training `identity`; `note` gets a message about each
    /// newer one that cannot be used.
    pub(in crate::train) fn newest(
        &self,
        identity: &Digest,
        device: &Device,
        note: &mut dyn FnMut(&str),
    ) -> Result<Option<Checkpoint>, TrainError> {
        let steps = self.steps().map_err(|source| TrainError::ReadCheckpoints {
            path: self.folder.clone(),
            source,
        })?;
        for path in steps.values().rev() {
            match Checkpoint::read(path, identity, device) {
                Ok(checkpoint) => return Ok(Some(checkpoint)),
                Err(reason) => {
                    note(&format!(
                        "checkpoint `{}` is not used: {reason}",
                        path.display()
                    ));
                }
            }
        }
        Ok(None)
    }

    /// The checkpoint of a step, which must exist.
    pub(in crate::train) fn of_step(
        &self,
        step: usize,
        identity: &Digest,
        device: &Device,
    ) -> Result<Checkpoint, TrainError> {
        let path = self.folder.join(name(step));
        Checkpoint::read(&path, identity, device).map_err(|reason| TrainError::LoseBest {
            path,
            reason: reason.to_string(),
        })
    }

    /// The folders of checkpoints by step; unfinished ones are removed.
    fn steps(&self) -> io::Result<BTreeMap<usize, PathBuf>> {
        let mut steps = BTreeMap::new();
        let entries = match fs::read_dir(&self.folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(steps),
            other => other?,
        };
        for entry in entries {
            let path = entry?.path();
            let name = path
                .file_name()
                .and_then(|name| name.to_str())
                .unwrap_or_default();
            if let Some(step) = name
                .strip_prefix("step_")
                .and_then(|step| step.parse().ok())
            {
                steps.insert(step, path);
            } else if name.starts_with(UNFINISHED) {
                remove(&path)?;
            }
        }
        Ok(steps)
    }

    fn prune(&self, best: Option<usize>) -> io::Result<()> {
        let steps = self.steps()?;
        let surplus = steps.len().saturating_sub(self.keep);
        let surplus = steps.iter().take(surplus);
        surplus
            .filter(|(step, _)| Some(**step) != best)
            .try_for_each(|(_, path)| remove(path))
    }
}

/// The checkpoints in a folder by step, each with the reason why it is not what was written, if so. Nothing is
/// removed.
pub fn inspect_checkpoints(folder: &Path) -> BTreeMap<usize, Option<String>> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let checkpoints = entries.filter_map(|entry| {
        let path = entry.path();
        let step = path.file_name()?.to_str()?.strip_prefix("step_")?;
        let step = step.parse().ok()?;
        let compared = Checkpoint::compare(&path);
        Some((step, compared.err().map(|reason| reason.to_string())))
    });
    checkpoints.collect()
}

/// The folder of a step's checkpoint.
pub fn checkpoint_folder(checkpoints: &Path, step: usize) -> PathBuf {
    checkpoints.join(name(step))
}

/// The name of a step's folder.
fn name(step: usize) -> String {
    format!("step_{step:06}")
}

/// Removes a folder if it exists.
fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::Tensor;

    use super::*;
    use crate::train::{
        evaluation::Best,
        learner::{LearnerSnapshot, Named, SkipCounts},
        state::Progress,
    };

    fn checkpoint(step: usize) -> Checkpoint {
        let device = Device::flex();
        let named = |value: f32| -> Named {
            [(
                "a".to_owned(),
                Tensor::from_floats([[value, f32::MIN_POSITIVE / 2.0]], &device),
            )]
            .into()
        };
        Checkpoint {
            identity: Digest::of_bytes(b"training"),
            progress: Progress {
                step,
                rows: 3,
                empty_steps: 1,
                evaluated: 0,
                best: None,
            },
            learner: LearnerSnapshot {
                trainable: named(step as f32),
                first_moment: named(0.1),
                second_moment: named(0.2),
                updates: 2,
                skipped: SkipCounts {
                    total: 4,
                    in_a_row: 2,
                },
            },
        }
    }

    fn names(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).unwrap();
        let mut names: Vec<_> = entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    fn newest(store: &Store, identity: &[u8]) -> (Option<Checkpoint>, Vec<String>) {
        let mut notes = Vec::new();
        let found = store
            .newest(&Digest::of_bytes(identity), &Device::flex(), &mut |note| {
                notes.push(note.to_owned());
            })
            .unwrap();
        (found, notes)
    }

    fn bits(named: &Named) -> Vec<u32> {
        let values = named
            .values()
            .flat_map(|tensor| tensor.to_data().try_to_vec::<f32>().unwrap());
        values.map(f32::to_bits).collect()
    }

    #[test]
    fn a_checkpoint_is_read_as_it_was_written_bit_for_bit() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::new(&folder.path().join("checkpoints"), 3);
        let written = checkpoint(7);

        store.save(&written).unwrap();
        let (read, notes) = newest(&store, b"training");

        let (read, bits_of) = (read.unwrap(), |checkpoint: &Checkpoint| {
            let learner = &checkpoint.learner;
            [
                &learner.trainable,
                &learner.first_moment,
                &learner.second_moment,
            ]
            .map(bits)
        });
        assert_eq!(read.progress, written.progress);
        assert_eq!(read.learner.updates, written.learner.updates);
        assert_eq!(read.learner.skipped, written.learner.skipped);
        assert_eq!(bits_of(&read), bits_of(&written));
        assert!(notes.is_empty());
    }

    #[test]
    fn no_checkpoint_is_written_into_a_folder_that_was_removed() {
        let folder = tempfile::tempdir().unwrap();
        let job = folder.path().join("train-1");
        fs::create_dir(&job).unwrap();
        let store = Store::new(&job.join("checkpoints"), 3);
        store.save(&checkpoint(1)).unwrap();

        fs::remove_dir_all(&job).unwrap();

        assert!(store.save(&checkpoint(2)).is_err());
        assert!(!job.exists());
    }

    #[test]
    fn a_damaged_checkpoint_is_named_and_the_one_before_is_used() {
        for file in [
            "trainable.safetensors",
            "first_moment.safetensors",
            "second_moment.safetensors",
            "state.json",
            "manifest.json",
        ] {
            for is_gone in [false, true] {
                let folder = tempfile::tempdir().unwrap();
                let store = Store::new(folder.path(), 3);
                store.save(&checkpoint(1)).unwrap();
                store.save(&checkpoint(2)).unwrap();
                let path = folder.path().join("step_000002").join(file);
                if is_gone {
                    fs::remove_file(&path).unwrap();
                } else {
                    let mut bytes = fs::read(&path).unwrap();
                    *bytes.last_mut().unwrap() ^= 1;
                    fs::write(&path, bytes).unwrap();
                }

                let (found, notes) = newest(&store, b"training");

                assert_eq!(found.unwrap().progress.step, 1, "{file}");
                assert!(notes[0].contains("step_000002"), "{notes:?}");
                assert!(notes[0].contains(file), "{notes:?}");
            }
        }
    }

    #[test]
    fn a_checkpoint_of_another_training_is_not_used() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::new(folder.path(), 3);
        store.save(&checkpoint(1)).unwrap();

        let (found, notes) = newest(&store, b"another");

        assert!(found.is_none());
        assert!(notes[0].contains("another training"), "{notes:?}");
    }

    #[test]
    fn only_the_last_are_kept_and_unfinished_ones_are_removed() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::new(folder.path(), 2);
        fs::create_dir(folder.path().join(".unfinished-step_000009")).unwrap();
        for step in [1, 2, 10] {
            store.save(&checkpoint(step)).unwrap();
        }

        assert_eq!(names(folder.path()), ["step_000002", "step_000010"]);
    }

    #[test]
    fn the_best_is_kept_with_the_last_until_there_is_a_better_one() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::new(folder.path(), 2);
        for (step, best) in [(1, 1), (2, 2), (3, 2), (4, 2), (5, 2)] {
            let mut checkpoint = checkpoint(step);
            let (step, passed) = (best, best);
            checkpoint.progress.best = Some(Best { step, passed });
            store.save(&checkpoint).unwrap();
        }
        let kept = names(folder.path());
        assert_eq!(kept, ["step_000002", "step_000004", "step_000005"]);
        let training = Digest::of_bytes(b"training");
        let best = store.of_step(2, &training, &Device::flex()).unwrap();
        assert_eq!(
            bits(&best.learner.trainable),
            bits(&checkpoint(2).learner.trainable)
        );
        let error = store.of_step(3, &training, &Device::flex()).unwrap_err();
        assert!(error.to_string().contains("step_000003"), "{error}");

        let mut better = checkpoint(6);
        better.progress.best = Some(Best { step: 6, passed: 6 });
        store.save(&better).unwrap();

        assert_eq!(names(folder.path()), ["step_000005", "step_000006"]);
    }

    #[test]
    fn a_checkpoint_that_counts_all_skips_together_keeps_their_sum() {
        // Checkpoints had one number for both reasons before `empty_steps` was there.
        let folder = tempfile::tempdir().unwrap();
        let store = Store::new(folder.path(), 3);
        let mut written = checkpoint(1);
        written.progress.empty_steps = 0;
        store.save(&written).unwrap();
        let state = fs::read_to_string(folder.path().join("step_000001/state.json")).unwrap();
        assert!(!state.contains("empty_steps"), "{state}");

        let read = newest(&store, b"training").0.unwrap();

        assert_eq!(
            (read.progress.empty_steps, read.learner.skipped.total),
            (0, 4)
        );
    }
}
