//! What a training computes, as a digest.

use serde_json::json;

use crate::{
    digest::Digest,
    ranks::{RankError, Ranks},
};

use super::{learner::Named, settings::TrainSettings, task::Row};

/// A digest of everything that determines what a training computes; a checkpoint must have the
/// same.
pub(super) fn identity(
    settings: &TrainSettings,
    rows: &[Row],
    seed: u64,
    initial: &Named,
) -> Digest {
    // How often checkpoints and completions are written changes nothing that is computed.
    let mut settings = TrainSettings {
        save_every: 0,
        keep_checkpoints: 0,
        samples_every: 1,
        ..settings.clone()
    };
    // Where a teacher is says nothing of its weights, whose digest is part of the job's name.
    if let Some(teacher) = settings.algorithm.teacher_mut() {
        teacher.clear();
    }
    // How a teacher is asked changes none of its answers.
    if let Some(remote) = settings.algorithm.remote_teacher_mut() {
        *remote = remote.who();
    }
    let digests: Vec<(&String, Digest)> = initial
        .iter()
        .map(|(name, tensor)| (name, Digest::of_bytes(tensor.to_data().as_bytes())))
        .collect();
    Digest::of_json(&json!({
        "settings": settings,
        "rows": rows,
        "seed": seed,
        "initial": digests,
    }))
}

/// Fails unless all ranks are about to compute the same.
pub(super) fn compare(ranks: &Ranks, identity: &Digest) -> Result<(), RankError> {
    let all: Vec<String> = ranks.gather_values(&identity.to_string())?;
    match all.iter().position(|other| *other != all[0]) {
        Some(rank) => Err(RankError::Different { rank }),
        None => Ok(()),
    }
}
