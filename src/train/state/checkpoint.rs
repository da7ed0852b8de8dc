//! The files of one checkpoint.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io,
    path::Path,
};

use burn::tensor::Device;
use serde::{Deserialize, Serialize};

use crate::{
    digest::Digest,
    model::{read_tensors, write_tensors},
    train::{
        error::TrainError,
        evaluation::Best,
        learner::{LearnerSnapshot, SkipCounts},
    },
};

use super::progress::Progress;

const MANIFEST: &str = "manifest.json";
const STATE: &str = "state.json";
const TRAINABLE: &str = "trainable.safetensors";
const FIRST_MOMENT: &str = "first_moment.safetensors";
const SECOND_MOMENT: &str = "second_moment.safetensors";
/// The files whose digests are in the manifest.
const FILES: [&str; 4] = [TRAINABLE, FIRST_MOMENT, SECOND_MOMENT, STATE];

/// A training between two steps. With the settings and the data it determines all later steps.
///
/// Random streams follow from the seed and the step, and the learning rate from the step.
#[derive(Clone, Debug)]
pub(in crate::train) struct Checkpoint {
    /// What is trained: settings, seed, rows and initial parameters.
    pub(in crate::train) identity: Digest,
    pub(in crate::train) progress: Progress,
    pub(in crate::train) learner: LearnerSnapshot,
}

/// The numbers of a checkpoint, as [`STATE`] has them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct State {
    identity: Digest,
    step: usize,
    rows: usize,
    /// Updates of the optimizer.
    updates: u32,
    /// Updates skipped because they were not finite, and steps without an update.
    skipped: usize,
    skipped_in_a_row: usize,
    #[serde(default, skip_serializing_if = "is_zero")]
    evaluated: usize,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    best: Option<Best>,
    /// The steps without an update among `skipped`.
    #[serde(default, skip_serializing_if = "is_zero")]
    empty_steps: usize,
}

/// Leaves out a number that older checkpoints do not have.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
fn is_zero(number: &usize) -> bool {
    *number == 0
}

/// Why a checkpoint cannot be used.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unusable {
    #[error("`{0}` cannot be read ({1})")]
    Unreadable(&'static str, io::Error),
    #[error("`{0}` differs from its digest in the manifest")]
    Changed(&'static str),
    #[error("`{0}` is damaged")]
    Damaged(&'static str),
    #[error("it belongs to another training")]
    Foreign,
}

impl Checkpoint {
    /// Writes the files, without their manifest.
    pub(super) fn write(&self, folder: &Path) -> Result<(), TrainError> {
        write_tensors(&folder.join(TRAINABLE), &self.learner.trainable)?;
        write_tensors(&folder.join(FIRST_MOMENT), &self.learner.first_moment)?;
        write_tensors(&folder.join(SECOND_MOMENT), &self.learner.second_moment)?;
        let path = folder.join(STATE);
        write_json(&path, &self.state())
            .map_err(|source| TrainError::WriteCheckpoint { path, source })
    }

    /// Compares the files with their digests in the manifest.
    pub(super) fn compare(folder: &Path) -> Result<(), Unusable> {
        let manifest = folder.join(MANIFEST);
        let bytes = fs::read(manifest).map_err(|error| Unusable::Unreadable(MANIFEST, error))?;
        let digests: BTreeMap<String, Digest> =
            serde_json::from_slice(&bytes).map_err(|_| Unusable::Damaged(MANIFEST))?;
        for name in FILES {
            let found = Digest::of_file(&folder.join(name))
                .map_err(|error| Unusable::Unreadable(name, error))?;
            if digests.get(name) != Some(&found) {
                return Err(Unusable::Changed(name));
            }
        }
        Ok(())
    }

    /// Reads a checkpoint, if it is whole and of the training `identity`.
    pub(super) fn read(
        folder: &Path,
        identity: &Digest,
        device: &Device,
    ) -> Result<Self, Unusable> {
        Self::compare(folder)?;
        let bytes =
            |name| fs::read(folder.join(name)).map_err(|error| Unusable::Unreadable(name, error));
        let state: State =
            serde_json::from_slice(&bytes(STATE)?).map_err(|_| Unusable::Damaged(STATE))?;
        if state.identity != *identity {
            return Err(Unusable::Foreign);
        }
        let tensors =
            |name| read_tensors(&folder.join(name), device).map_err(|_| Unusable::Damaged(name));
        Ok(Self {
            identity: state.identity,
            progress: Progress {
                step: state.step,
                rows: state.rows,
                empty_steps: state.empty_steps,
                evaluated: state.evaluated,
                best: state.best,
            },
            learner: LearnerSnapshot {
                trainable: tensors(TRAINABLE)?,
                first_moment: tensors(FIRST_MOMENT)?,
                second_moment: tensors(SECOND_MOMENT)?,
                updates: state.updates,
                skipped: SkipCounts {
                    total: state.skipped.saturating_sub(state.empty_steps),
                    in_a_row: state.skipped_in_a_row,
                },
            },
        })
    }

    fn state(&self) -> State {
        let Progress {
            step,
            rows,
            empty_steps,
            evaluated,
            best,
        } = self.progress;
        State {
            identity: self.identity.clone(),
            step,
            rows,
            updates: self.learner.updates,
            skipped: self.learner.skipped.total + empty_steps,
            skipped_in_a_row: self.learner.skipped.in_a_row,
            evaluated,
            best,
            empty_steps,
        }
    }
}

/// Writes the manifest, and waits until all files are on disk; the folder may still not be.
pub(super) fn seal(folder: &Path) -> io::Result<()> {
    let mut digests = BTreeMap::new();
    for name in FILES {
        let path = folder.join(name);
        sync(&path)?;
        digests.insert(name, Digest::of_file(&path)?);
    }
    let manifest = folder.join(MANIFEST);
    write_json(&manifest, &digests)?;
    sync(&manifest)
}

fn write_json(path: &Path, value: &impl Serialize) -> io::Result<()> {
    fs::write(path, serde_json::to_vec_pretty(value)?)
}

/// Waits until a file is on disk.
fn sync(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}
