//! The model that a job starts from.

use std::path::Path;

use burn::tensor::Device;

use super::WorkerError;
use crate::{
    model::{LanguageModel, ModelSettings},
    plan::{JobId, Start, Work},
    results::JobDir,
};

/// The model of a job, frozen and without an adapter: the base, or what another job has made of it.
///
/// `dir` is the folder of the job that asks; the other job's folder lies beside it.
pub(super) fn load(
    settings: &ModelSettings,
    path: Option<&Path>,
    start: &Start,
    dir: &JobDir,
    device: &Device,
) -> Result<LanguageModel, WorkerError> {
    match start {
        Start::Base => Ok(match path {
            Some(path) => LanguageModel::load(path, settings.dtype, device)?,
            None => LanguageModel::scratch(&settings.scratch, settings.dtype, device)?,
        }),
        Start::Job(id) => trained(id, &dir.sibling(id), device),
    }
}

/// What a training has made: its whole model, or its start with the adapter folded in.
fn trained(id: &JobId, dir: &JobDir, device: &Device) -> Result<LanguageModel, WorkerError> {
    let outcome = dir.outcome();
    let outcome = outcome
        .as_ref()
        .and_then(|outcome| outcome.as_train())
        .ok_or_else(|| WorkerError::UpstreamNotFinished {
            upstream: id.clone(),
        })?;
    let Some(Work::Train(work)) = dir.job()?.map(|job| job.work) else {
        return Err(WorkerError::NoModel(id.clone()));
    };
    if !outcome.adapter {
        return Ok(LanguageModel::load(&dir.model(), work.model.dtype, device)?);
    }
    let mut model = load(
        &work.model,
        work.model_path.as_deref(),
        &work.start,
        dir,
        device,
    )?;
    model.load_adapter(&dir.model())?;
    model.decoder = model.decoder.merged();
    Ok(model)
}
