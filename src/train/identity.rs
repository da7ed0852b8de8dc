//! What a training computes, as a digest.

use serde_json::json;

use crate::{
    digest::Digest,
    ranks::{RankError, Ranks},
};

use super::{learner::Named, run::Inputs, settings::TrainSettings};

/// A digest of everything that determines what a training computes; a checkpoint must have the
/// same.
pub(super) fn identity(inputs: &Inputs<'_>, initial: &Named) -> Digest {
    // How often checkpoints and completions are written changes nothing that is computed.
    let settings = TrainSettings {
        save_every: 0,
        keep_checkpoints: 0,
        samples_every: 1,
        ..inputs.settings.clone()
    };
    let digests: Vec<(&String, Digest)> = initial
        .iter()
        .map(|(name, tensor)| (name, Digest::of_bytes(tensor.to_data().as_bytes())))
        .collect();
    Digest::of_json(&json!({
        "settings": settings,
        "rows": inputs.rows,
        "seed": inputs.seed,
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
