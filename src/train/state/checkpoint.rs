//! Checkpoints: written whole or not at all, and recognised if damaged.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io,
    path::{Path, PathBuf},
};

use burn::tensor::Device;
use serde::{Deserialize, Serialize};

use crate::{
    digest::Digest,
    model::{read_tensors, write_tensors},
    train::{error::TrainError, evaluation::Best, learner::optimizer::Named},
};

const MANIFEST: &str = "manifest.json";
const STATE: &str = "state.json";
const TRAINABLE: &str = "trainable.safetensors";
const FIRST: &str = "first_moment.safetensors";
const SECOND: &str = "second_moment.safetensors";
/// What a folder is called until it is whole.
const UNFINISHED: &str = ".unfinished-";

/// A training between two steps: with the settings and the data it determines all that follows.
///
/// Random streams follow from the seed and the step, the learning rate from the step.
#[derive(Clone, Debug)]
pub(in crate::train) struct Checkpoint {
    pub(in crate::train) state: State,
    pub(in crate::train) trainable: Named,
    pub(in crate::train) first: Named,
    pub(in crate::train) second: Named,
}

/// The numbers of a checkpoint.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::train) struct State {
    /// What is trained: settings, seed, rows and initial parameters.
    pub(in crate::train) identity: Digest,
    /// Steps done.
    pub(in crate::train) step: usize,
    /// Rows taken from the data.
    pub(in crate::train) rows: usize,
    /// Updates of the optimiser.
    pub(in crate::train) updates: u32,
    /// Updates left out.
    pub(in crate::train) skipped: usize,
    /// Those since the last that was not.
    pub(in crate::train) skipped_in_a_row: usize,
    /// The step of the last evaluation; 0 if there was none.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub(in crate::train) evaluated: usize,
    /// The best evaluation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(in crate::train) best: Option<Best>,
}

/// What is left out, so that checkpoints without evaluations are as they were before there were any.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
fn is_zero(step: &usize) -> bool {
    *step == 0
}

/// The folder of a training's checkpoints.
#[derive(Debug)]
pub(in crate::train) struct Store {
    folder: PathBuf,
    keep: usize,
}

impl Store {
    pub(in crate::train) fn new(folder: &Path, keep: usize) -> Self {
        Self {
            folder: folder.to_owned(),
            keep: keep.max(1),
        }
    }

    /// Writes a checkpoint and takes away those that are too many, save the best.
    pub(in crate::train) fn save(&self, checkpoint: &Checkpoint) -> Result<(), TrainError> {
        let step = checkpoint.state.step;
        let name = name(step);
        let path = self.folder.join(&name);
        let failed = |source| TrainError::WriteCheckpoint {
            path: path.clone(),
            source,
        };
        let unfinished = self.folder.join(format!("{UNFINISHED}{name}"));
        fs::create_dir_all(&self.folder).map_err(failed)?;
        remove(&unfinished).map_err(failed)?;
        fs::create_dir(&unfinished).map_err(failed)?;
        let written = write_files(&unfinished, checkpoint).and_then(|()| {
            seal(&unfinished)
                .and_then(|()| {
                    remove(&path)?;
                    fs::rename(&unfinished, &path)?;
                    sync(&self.folder)
                })
                .map_err(failed)
        });
        if written.is_err() {
            // The disk may be full: half a checkpoint would only keep it so. The error that is told
            // is the first one.
            let _ = remove(&unfinished);
        }
        written?;
        let best = checkpoint.state.best.map(|best| best.step);
        self.prune(best).map_err(failed)
    }

    /// The newest whole checkpoint of this training; what is wrong with newer ones goes to `note`.
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
            match read(path, identity, device) {
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

    /// The checkpoint of a step, which must be there.
    pub(in crate::train) fn of_step(
        &self,
        step: usize,
        identity: &Digest,
        device: &Device,
    ) -> Result<Checkpoint, TrainError> {
        let path = self.folder.join(name(step));
        read(&path, identity, device).map_err(|reason| TrainError::LoseBest {
            path,
            reason: reason.to_string(),
        })
    }

    /// The folders of checkpoints by their steps.
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

/// The name of a step's folder.
fn name(step: usize) -> String {
    format!("step_{step:06}")
}

fn write_files(folder: &Path, checkpoint: &Checkpoint) -> Result<(), TrainError> {
    write_tensors(&folder.join(TRAINABLE), &checkpoint.trainable)?;
    write_tensors(&folder.join(FIRST), &checkpoint.first)?;
    write_tensors(&folder.join(SECOND), &checkpoint.second)?;
    let path = folder.join(STATE);
    write_json(&path, &checkpoint.state)
        .map_err(|source| TrainError::WriteCheckpoint { path, source })
}

/// Writes the digests of all files, and sees to it that everything is on the disk.
fn seal(folder: &Path) -> io::Result<()> {
    let mut digests = BTreeMap::new();
    for name in [TRAINABLE, FIRST, SECOND, STATE] {
        let path = folder.join(name);
        sync(&path)?;
        digests.insert(name, Digest::of_file(&path)?);
    }
    let manifest = folder.join(MANIFEST);
    write_json(&manifest, &digests)?;
    sync(&manifest)?;
    sync(folder)
}

fn write_json(path: &Path, value: &impl Serialize) -> io::Result<()> {
    fs::write(path, serde_json::to_vec_pretty(value)?)
}

/// Waits until a file or folder is on the disk.
fn sync(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

/// Removes a folder if it is there.
fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

/// Why a checkpoint cannot be used.
#[derive(Debug, thiserror::Error)]
enum Unusable {
    #[error("`{0}` cannot be read ({1})")]
    Unreadable(&'static str, io::Error),
    #[error("`{0}` is not what the manifest says")]
    Changed(&'static str),
    #[error("`{0}` is damaged")]
    Damaged(&'static str),
    #[error("it belongs to another training")]
    Foreign,
}

fn read(folder: &Path, identity: &Digest, device: &Device) -> Result<Checkpoint, Unusable> {
    let bytes =
        |name| fs::read(folder.join(name)).map_err(|error| Unusable::Unreadable(name, error));
    let digests: BTreeMap<String, Digest> =
        serde_json::from_slice(&bytes(MANIFEST)?).map_err(|_| Unusable::Damaged(MANIFEST))?;
    for name in [TRAINABLE, FIRST, SECOND, STATE] {
        let found = Digest::of_file(&folder.join(name))
            .map_err(|error| Unusable::Unreadable(name, error))?;
        if digests.get(name) != Some(&found) {
            return Err(Unusable::Changed(name));
        }
    }
    let state: State =
        serde_json::from_slice(&bytes(STATE)?).map_err(|_| Unusable::Damaged(STATE))?;
    if state.identity != *identity {
        return Err(Unusable::Foreign);
    }
    let tensors =
        |name| read_tensors(&folder.join(name), device).map_err(|_| Unusable::Damaged(name));
    Ok(Checkpoint {
        state,
        trainable: tensors(TRAINABLE)?,
        first: tensors(FIRST)?,
        second: tensors(SECOND)?,
    })
}

#[cfg(test)]
mod tests {
    use burn::tensor::Tensor;

    use super::*;

    fn checkpoint(step: usize) -> Checkpoint {
        let device = Device::flex();
        let named = |value: f32| -> Named {
            [(
                "a".to_owned(),
                Tensor::from_floats([[value, f32::MIN_POSITIVE / 2.0]], &device),
            )]
            .into()
        };
        let value = step as f32;
        let identity = Digest::of_bytes(b"training");
        let state = State {
            identity,
            step,
            rows: 3,
            updates: 2,
            skipped: 1,
            skipped_in_a_row: 0,
            evaluated: 0,
            best: None,
        };
        Checkpoint {
            state,
            trainable: named(value),
            first: named(0.1),
            second: named(0.2),
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
    fn what_is_read_is_what_was_written_bit_for_bit() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::new(&folder.path().join("checkpoints"), 3);
        let written = checkpoint(7);

        store.save(&written).unwrap();
        let (read, notes) = newest(&store, b"training");

        let read = read.unwrap();
        assert_eq!(read.state, written.state);
        assert_eq!(bits(&read.trainable), bits(&written.trainable));
        assert_eq!(bits(&read.first), bits(&written.first));
        assert_eq!(bits(&read.second), bits(&written.second));
        assert!(notes.is_empty());
    }

    #[test]
    fn a_damaged_checkpoint_is_named_and_the_one_before_is_used() {
        for file in [TRAINABLE, FIRST, SECOND, STATE, MANIFEST] {
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

                assert_eq!(found.unwrap().state.step, 1, "{file}");
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
    fn only_the_last_stay_and_half_written_ones_go() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::new(folder.path(), 2);
        fs::create_dir(folder.path().join(".unfinished-step_000009")).unwrap();
        for step in [1, 2, 10] {
            store.save(&checkpoint(step)).unwrap();
        }

        assert_eq!(names(folder.path()), ["step_000002", "step_000010"]);
    }

    #[test]
    fn the_best_stays_beside_the_last_until_there_is_a_better_one() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::new(folder.path(), 2);
        for (step, best) in [(1, 1), (2, 2), (3, 2), (4, 2), (5, 2)] {
            let mut checkpoint = checkpoint(step);
            let (step, passed) = (best, best);
            checkpoint.state.best = Some(Best { step, passed });
            store.save(&checkpoint).unwrap();
        }
        let beside = names(folder.path());
        assert_eq!(beside, ["step_000002", "step_000004", "step_000005"]);
        let training = Digest::of_bytes(b"training");
        let best = store.of_step(2, &training, &Device::flex()).unwrap();
        assert_eq!(bits(&best.trainable), bits(&checkpoint(2).trainable));
        let error = store.of_step(3, &training, &Device::flex()).unwrap_err();
        assert!(error.to_string().contains("step_000003"), "{error}");

        let mut better = checkpoint(6);
        better.state.best = Some(Best { step: 6, passed: 6 });
        store.save(&better).unwrap();

        assert_eq!(names(folder.path()), ["step_000005", "step_000006"]);
    }
}
